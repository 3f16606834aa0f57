"""A server of an alias goes over to the new index without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lsr.indexer.aliases import point

from lsr.indexing import COUNTED, LEARNED, DocumentEncoder, IndexPlan, index_documents
from lsr.pipeline import Pipeline

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from lsr.data.documents import Document


@pytest.fixture
def served(
    tmp_path: Path,
    build_index: Callable[..., Pipeline],
    small_documents: Sequence[Document],
    hand_encoder: Callable[..., Any],
    make_client: Callable[..., TestClient],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., TestClient]:
    """A client of the alias ``live``; indexes ``old`` and ``new`` are by different models."""
    models = {"by hand": hand_encoder(), "another": hand_encoder("another", ("read", "line", "open"))}
    monkeypatch.setattr("lsr.fields._load", lambda recorded, *_, **__: models[str(recorded["identity"])])
    build_index(tmp_path / "old", small_documents)
    plan = IndexPlan("other", {LEARNED: 1.0, COUNTED: 1.0})
    index_documents(small_documents[:2], tmp_path / "new", DocumentEncoder(plan, encoder=models["another"]))
    point(tmp_path / "live", tmp_path / "old")

    def make(**settings: object) -> TestClient:
        return make_client(Pipeline.open(tmp_path / "live"), poll_seconds=0.01, **settings)

    return make


def eventually(client: TestClient, n_documents: int) -> bool:
    for _ in range(1000):
        if client.get("/v1/index").json()["documents"] == n_documents:
            return True
        time.sleep(0.01)
    return False


def test_it_follows_the_swap_with_the_new_model(served: Callable[..., TestClient], tmp_path: Path) -> None:
    client = served()
    request = {"query": "read a line", "fields": {"learned": 1.0}, "explain": True}
    before = client.post("/v1/search", json=request).json()
    point(tmp_path / "live", tmp_path / "new")

    assert eventually(client, 2)
    after = client.post("/v1/search", json=request).json()
    assert [hit["id"] for hit in before["hits"]] == ["read", "open"]
    assert [hit["id"] for hit in after["hits"]] == ["read"]
    assert {term["term"] for term in after["query_terms"]} == {"read", "line", "open"}
    assert "lsr_encode_tokens_total" in client.get("/metrics").text


def test_a_model_that_fails_in_an_unforeseen_way_is_not_the_last_one(
    served: Callable[..., TestClient],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The watch lives on, and with it the end of the application, which commits what is pending."""
    client = served()
    with monkeypatch.context() as patch:
        patch.setattr("lsr.fields._load", lambda *_, **__: {}["config"])
        point(tmp_path / "live", tmp_path / "new")
        for _ in range(1000):
            if "still serving generation 1" in caplog.text:
                break
            time.sleep(0.01)
        assert client.get("/v1/index").json()["documents"] == 5

    assert eventually(client, 2)
    assert "KeyError" in caplog.text


def test_an_index_that_cannot_be_served_leaves_the_old_one(
    served: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Here one whose manifest is damaged; another case is a server in fast mode and an index never tuned."""
    client = served()
    (tmp_path / "live.new").symlink_to("new")
    (tmp_path / "new" / "manifest.json").write_text("{}")
    (tmp_path / "live.new").replace(tmp_path / "live")
    time.sleep(0.1)

    assert client.get("/v1/index").json()["documents"] == 5
    assert client.get("/v1/search", params={"q": "read"}).status_code == 200
