"""What an operator relies on: health, numbers, overload, new generations."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from lsr.data.documents import Document

    from lsr.pipeline import Pipeline


def test_index_facts(client: TestClient) -> None:
    facts = client.get("/v1/index").json()

    assert facts["documents"] == 5
    assert [(field["name"], field["kind"], field["weight"]) for field in facts["fields"]] == [
        ("learned", "encoded", 1.0),
        ("bm25", "counted", 1.0),
    ]
    assert facts["fields"][0]["encoder"]["name"] == "by-hand"


def test_health(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "generation": 1}
    for path in ("/health/live", "/health/ready"):
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")


def test_metrics_count_requests_by_route_and_hold_no_query_text(client: TestClient) -> None:
    client.post("/v1/search", json={"query": "confidential"})
    client.get("/v1/documents/confidential")
    client.get("/confidential")
    text = client.get("/metrics").text

    assert 'lsr_http_requests_total{code="200",method="POST",route="/v1/search"} 1.0' in text
    assert 'lsr_http_requests_total{code="404",method="GET",route="/v1/documents/{id}"} 1.0' in text
    assert 'route="unknown"' in text
    assert 'lsr_search_stage_seconds_count{stage="retrieve"} 1.0' in text
    assert "lsr_documents 5.0" in text
    assert "lsr_encode_tokens_total " in text
    assert "lsr_build_info" in text
    assert "confidential" not in text


def test_openapi_has_examples_and_every_route(client: TestClient) -> None:
    description = client.get("/openapi.json").json()

    assert set(description["paths"]) == {
        "/v1/search",
        "/v1/documents/{id}",
        "/v1/documents",
        "/v1/commit",
        "/v1/index",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
    assert description["components"]["schemas"]["SearchBody"]["examples"]
    assert "Problem" in description["components"]["schemas"]
    answers = description["paths"]["/v1/search"]["post"]["responses"]
    assert list(answers["4XX"]["content"]) == list(answers["5XX"]["content"]) == ["application/problem+json"]


def test_every_example_of_the_description_is_accepted(client: TestClient) -> None:
    examples = client.get("/openapi.json").json()["components"]["schemas"]["SearchBody"]["examples"]

    for example in examples:
        answer = client.post("/v1/search", json=example)
        # The examples are over the built-in model's vocabulary; this index has another.
        assert answer.status_code == 200 or "has no term" in answer.json()["detail"]


class Gate:
    """An encoder that waits to be let through, so that requests pile up behind it."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.entered, self.opened = threading.Event(), threading.Event()
        self.batches: list[int] = []

    def at(self, collection: object) -> Gate:
        return self

    def encode_queries(self, texts: Sequence[str]) -> Any:
        self.batches.append(len(texts))
        self.entered.set()
        self.opened.wait(10)
        return self._encoder.encode_queries(texts)

    def places(self, text: str) -> Any:
        return self._encoder.places(text)


@pytest.fixture
def gated(small_pipeline: Pipeline) -> tuple[Pipeline, Gate]:
    from lsr.pipeline import Pipeline

    gate = Gate(small_pipeline.encoders["learned"])
    return Pipeline(small_pipeline.collection, {**small_pipeline.encoders, "learned": gate}), gate


def test_a_full_queue_answers_503_with_retry_after(gated: tuple[Pipeline, Gate], make_client: Any) -> None:
    pipeline, gate = gated
    client = make_client(pipeline, queue=2)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(client.post, "/v1/search", json={"query": "read"}) for _ in range(2)]
        _wait_until(lambda: "lsr_queue_depth 2.0" in client.get("/metrics").text)
        refused = client.post("/v1/search", json={"query": "read"})
        gate.opened.set()
        answered = [each.result() for each in waiting]

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["code"] == "overloaded"
    assert [each.status_code for each in answered] == [200, 200]
    assert client.post("/v1/search", json={"query": "read"}).status_code == 200


def test_queries_that_wait_together_are_encoded_together(
    gated: tuple[Pipeline, Gate], make_client: Any
) -> None:
    pipeline, gate = gated
    client = make_client(pipeline)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(client.post, "/v1/search", json={"query": "read"})
        gate.entered.wait(10)
        texts = ("date", "zip", "file")
        rest = [pool.submit(client.post, "/v1/search", json={"query": text}) for text in texts]
        _wait_until(lambda: "lsr_queue_depth 4.0" in client.get("/metrics").text)
        gate.opened.set()
        answers = [each.result().json() for each in (first, *rest)]

    assert gate.batches == [1, 3]
    assert [answer["hits"][0]["id"] for answer in answers] == ["read", "date", "zip/a b#1%", "read"]


def test_a_commit_appears_without_a_restart(
    tmp_path: Path,
    build_index: Callable[..., Pipeline],
    small_documents: Sequence[Document],
    make_client: Any,
) -> None:
    pipeline = build_index(tmp_path / "index", small_documents[:1])
    client = make_client(pipeline, poll_seconds=0.05)
    assert client.post("/v1/search", json={"query": "date"}).json()["hits"] == []

    build_index(tmp_path / "index", small_documents, overwrite=True)
    _wait_until(lambda: client.get("/health/ready").json()["generation"] == 2)
    answer = client.post("/v1/search", json={"query": "date"}).json()

    assert [hit["id"] for hit in answer["hits"]] == ["date"]
    assert answer["index"]["generation"] == 2


def test_what_cannot_be_read_now_leaves_the_old_generation_served(
    tmp_path: Path,
    build_index: Callable[..., Pipeline],
    small_documents: Sequence[Document],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from lsr.server.state import Generations

    pipeline = build_index(tmp_path / "index", small_documents)
    generations = Generations(pipeline, lambda _: None)
    manifest = tmp_path / "index" / "manifest.json"
    sound = manifest.read_text()

    def look(found: str, *, times: int = 1) -> None:
        manifest.write_text(found)
        for _ in range(times):
            asyncio.run(generations.refresh())

    look("{", times=3)
    assert generations.current is pipeline
    assert caplog.text.count("still serving generation 1") == 1

    look(sound)
    look("{")
    assert caplog.text.count("still serving generation 1") == 2


def test_of_two_that_look_for_a_generation_none_puts_an_older_one_back(
    tmp_path: Path,
    build_index: Callable[..., Pipeline],
    small_documents: Sequence[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The watch and every commit of a writable server look for one; here the first takes long to open it."""
    from lsr.indexer.collection import Collection
    from lsr.server.state import Generations

    generations = Generations(build_index(tmp_path / "index", small_documents), lambda _: None)
    opened, going_on = threading.Event(), threading.Event()
    refresh = Collection.refresh

    def slow_at_first(collection: Collection) -> Collection:
        newest = refresh(collection)
        if not opened.is_set():
            opened.set()
            assert going_on.wait(10)
        return newest

    async def both() -> None:
        first = asyncio.create_task(generations.refresh())
        await asyncio.to_thread(opened.wait, 10)
        build_index(tmp_path / "index", small_documents, overwrite=True)
        second = asyncio.create_task(generations.refresh())
        await asyncio.wait({second}, timeout=0.2)
        going_on.set()
        await asyncio.gather(first, second)

    build_index(tmp_path / "index", small_documents[:1], overwrite=True)
    monkeypatch.setattr(Collection, "refresh", slow_at_first)
    asyncio.run(both())

    assert generations.current.collection.generation == 3


def test_a_fault_of_ours_is_500_and_keeps_its_cause_to_the_log(
    small_pipeline: Pipeline, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from lsr.pipeline import Pipeline

    class Broken(Gate):
        def encode_queries(self, texts: Sequence[str]) -> Any:
            raise RuntimeError("secret reason")

    broken = Broken(small_pipeline.encoders["learned"])
    client = make_client(Pipeline(small_pipeline.collection, {**small_pipeline.encoders, "learned": broken}))
    response = client.post("/v1/search", json={"query": "read"})

    assert (response.status_code, response.json()["code"]) == (500, "internal-error")
    assert "secret" not in response.text
    assert "secret reason" in caplog.text


def _wait_until(happened: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
