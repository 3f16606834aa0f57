"""The fast mode over REST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsr.indexer.approximation import Approximation
from lsr.indexer.fast import Tuned
from lsr.indexer.writer import CollectionWriter

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from lsr.data.documents import Document

    from lsr.pipeline import Pipeline

MakeClient = Callable[..., "TestClient"]
SUM = {"learned": 1.0, "bm25": 1.0}


@pytest.fixture
def tuned(
    tmp_path: Path, build_index: Callable[..., Pipeline], small_documents: Sequence[Document]
) -> Pipeline:
    pipeline = build_index(tmp_path / "index", small_documents)
    found = [
        Tuned(recall, 10, SUM, Approximation(0.5, 0.9), 0.997, 2.0, 50, "log", 5) for recall in (0.95, 0.99)
    ]
    with CollectionWriter.open(tmp_path / "index") as writer:
        writer.record("fast", [each.to_json() for each in found])
    return pipeline.at(pipeline.collection.refresh())


def test_answers_say_the_mode_and_what_it_means(tuned: Pipeline, make_client: MakeClient) -> None:
    client = make_client(tuned)
    fast = client.post("/v1/search", json={"query": "read", "mode": "fast"}).json()
    linked = client.get("/v1/search", params={"q": "read", "mode": "fast", "recall": 0.95}).json()
    exact = client.post("/v1/search", json={"query": "read"}).json()

    assert fast["mode"] == "fast"
    assert fast["fast"] == {"recall": 0.99, "measured_recall": 0.997, "keep": 0.5, "gamma": 0.9}
    assert linked["fast"]["recall"] == 0.95
    assert exact["mode"] == "exact"
    assert "fast" not in exact
    assert fast["hits"] == exact["hits"]
    assert [each["recall"] for each in client.get("/v1/index").json()["tuned"]] == [0.95, 0.99]


def test_a_server_has_a_mode_of_its_own_for_requests_that_name_none(
    tuned: Pipeline, make_client: MakeClient
) -> None:
    client = make_client(tuned, mode="fast", recall=0.95)

    assert client.post("/v1/search", json={"query": "read"}).json()["fast"]["recall"] == 0.95
    assert client.post("/v1/search", json={"query": "read", "recall": 0.99}).json()["fast"]["recall"] == 0.99
    assert client.post("/v1/search", json={"query": "read", "mode": "exact"}).json()["mode"] == "exact"


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        ({"mode": "fast", "recall": 0.9}, 409, "not-tuned", "run `lsr tune"),
        ({"mode": "fast", "fields": {"bm25": 1.0}}, 409, "not-tuned", "--fields bm25=1"),
        ({"mode": "fast", "recall": 0.5}, 422, "invalid-argument", "greater than or equal to 0.9"),
        ({"recall": 0.95}, 422, "invalid-argument", "recall goes with mode"),
        ({"mode": "exact", "recall": 0.95}, 422, "invalid-argument", "recall goes with mode"),
        ({"mode": "quick"}, 422, "invalid-argument", "'exact' or 'fast'"),
    ],
)
def test_what_cannot_be_answered_says_why(
    tuned: Pipeline, make_client: MakeClient, body: dict[str, object], status: int, code: str, detail: str
) -> None:
    answer = make_client(tuned).post("/v1/search", json={"query": "read", **body})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert detail in answer.json()["detail"]
