"""Changing documents over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from lsr.indexer.collection import Collection
from lsr.indexer.merging import Merge
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from lsr.pipeline import Pipeline

NDJSON = {"content-type": "application/x-ndjson"}


def found(client: TestClient, query: str) -> list[str]:
    return [hit["id"] for hit in client.post("/v1/search", json={"query": query}).json()["hits"]]


def test_a_put_document_is_found_once_it_is_committed(writable: TestClient) -> None:
    put = writable.put("/v1/documents/new%2Fone", json={"text": "parse the time", "metadata": {"lang": "en"}})
    assert put.json() == {"changed": 1, "pending": 1, "generation": 1}
    assert found(writable, "parse the time") == ["date"]

    committed = writable.post("/v1/commit")
    assert committed.json() == {"changed": 0, "pending": 0, "generation": 2}
    assert found(writable, "parse the time") == ["new/one", "date"]
    assert writable.get("/v1/documents/new/one").json()["metadata"] == {"lang": "en"}


def test_put_replaces_and_commit_in_the_request(writable: TestClient) -> None:
    writable.put("/v1/documents/date?commit=true", json={"text": "zip it"})

    assert found(writable, "date") == []
    assert "date" in found(writable, "zip")
    assert writable.get("/v1/index").json()["documents"] == 5


def test_delete(writable: TestClient) -> None:
    assert writable.delete("/v1/documents/date?commit=true").json()["changed"] == 1
    assert writable.get("/v1/documents/date").status_code == 404

    again = writable.delete("/v1/documents/date")
    assert (again.status_code, again.json()["code"]) == (404, "document-not-found")


def test_a_line_break_at_the_end_belongs_to_the_id(writable: TestClient) -> None:
    assert writable.delete("/v1/documents/date%0A").status_code == 404
    writable.put("/v1/documents/date%0A?commit=true", json={"text": "zip it"})

    assert writable.get("/v1/documents/date%0A").json()["id"] == "date\n"
    assert writable.get("/v1/documents/date").json()["id"] == "date"
    assert writable.get("/v1/documents/read%0A").status_code == 404


@pytest.mark.parametrize(
    "name", ["a\nb", "a\r\nb", "\n", "\na\n", "a\n\n", "a\tb", "a\x00b", "\x7f", "a/b\n/c", "a\u2028b"]
)
def test_any_character_may_stand_in_an_id(writable: TestClient, name: str) -> None:
    address = f"/v1/documents/{quote(name, safe='')}"
    assert writable.put(f"{address}?commit=true", json={"text": "zip it"}).status_code == 200
    assert writable.get(address).json()["id"] == name
    assert writable.delete(f"{address}?commit=true").json()["changed"] == 1
    assert writable.get(address).json()["code"] == "document-not-found"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_is_not_utf_8_is_no_other_documents(writable: TestClient, method: str) -> None:
    """U+FFFD would stand for all such bytes, so one document would replace the other."""
    writable.put("/v1/documents/caf%EF%BF%BD?commit=true", json={"text": "zip it"})
    body = {"text": "other"} if method == "PUT" else None
    refused = writable.request(method, "/v1/documents/caf%E9", json=body)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "id")
    assert "UTF-8" in refused.json()["detail"]


BATCH = [{"id": "one", "text": "read time"}, {"id": "two", "title": "T", "text": "parse bytes"}]


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_batch(writable: TestClient, form: str) -> None:
    if form == "json":
        done = writable.post("/v1/documents?commit=true", json={"documents": BATCH})
    else:
        lines = "\n".join(json.dumps(each) for each in BATCH)
        done = writable.post("/v1/documents?commit=true", content=lines, headers=NDJSON)

    assert done.json() == {"changed": 2, "pending": 0, "generation": 2, "rejected": []}
    assert "one" in found(writable, "time")


BROKEN: list[dict[str, Any]] = [
    {"id": "good", "text": "time"},
    {"id": "bad", "text": 7},
    {"id": "good", "text": "again"},
    {"id": "bad", "txt": ""},
]


def test_a_batch_is_all_or_nothing(writable: TestClient) -> None:
    refused = writable.post("/v1/documents?commit=true", json={"documents": BROKEN})

    assert refused.status_code == 422
    assert "none was added" in refused.json()["detail"]
    fields = [each["field"] for each in refused.json()["errors"]]
    assert fields == ["documents[1].text", "documents[2].id", "documents[3].text"]
    assert writable.get("/v1/index").json()["generation"] == 1


def test_a_partial_batch_lists_what_it_left_out(writable: TestClient) -> None:
    done = writable.post("/v1/documents?commit=true&partial=true", json={"documents": BROKEN}).json()

    assert done["changed"] == 1
    assert [each["index"] for each in done["rejected"]] == [1, 2, 3]
    assert "good" in found(writable, "time")


def test_a_batch_of_another_shape(writable: TestClient) -> None:
    refused = writable.post("/v1/documents", json=[])

    assert refused.status_code == 422
    assert '{"documents": […]}' in refused.json()["detail"]


def test_a_misspelt_part_of_a_document(writable: TestClient) -> None:
    refused = writable.put("/v1/documents/new", json={"text": "x", "titel": "y"})

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown-field")


def test_metadata_that_is_no_json(writable: TestClient) -> None:
    content = '{"text": "x", "metadata": {"a": NaN}}'
    refused = writable.put("/v1/documents/new", content=content, headers={"content-type": "application/json"})

    assert refused.status_code == 422
    assert "metadata" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/documents/a", {"text": "x"}),
        ("DELETE", "/v1/documents/a", None),
        ("POST", "/v1/documents", {"documents": BATCH}),
        ("POST", "/v1/commit", None),
    ],
)
def test_a_server_that_only_reads_says_how_to_change_that(
    client: TestClient, method: str, path: str, body: object
) -> None:
    refused = client.request(method, path, json=body)

    assert (refused.status_code, refused.json()["code"]) == (409, "index-read-only")
    assert "--writable" in refused.json()["detail"]


def test_a_peaceful_stop_commits_what_is_pending(pipeline: Pipeline, stopped: TestClient) -> None:
    with stopped as client:
        client.put("/v1/documents/late", json={"text": "file"})

    assert Collection.open(pipeline.collection.path).get("late") is not None
    with CollectionWriter.open(pipeline.collection.path):
        pass  # the lock is free again


def test_what_cannot_be_stored_is_refused_by_name(writable: TestClient) -> None:
    headers = {"content-type": "application/json"}
    for part, body in {
        "text": r'{"text": "\ud800"}',
        "title": r'{"text": "", "title": "\ud800"}',
        "metadata": '{"text": "", "metadata": {"price": NaN}}',
    }.items():
        refused = writable.put("/v1/documents/new", content=body, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, part)

    batch = json.dumps({"documents": [{"id": "a", "text": "\ud800"}, {"id": "\ud800", "text": ""}, *BATCH]})
    done = writable.post("/v1/documents?partial=true&commit=true", content=batch, headers=headers).json()
    assert done["changed"] == 2
    assert [(each["index"], each["field"]) for each in done["rejected"]] == [(0, "text"), (1, "id")]


@pytest.mark.parametrize(
    ("content", "headers", "place"),
    [
        (b"{oops", {}, "the body"),
        (b"[" * 100_000, {}, "the body"),
        (b'{"id": "a", "text": ""}\n\n{oops', NDJSON, "line 3"),
    ],
)
def test_a_batch_that_is_no_json(
    writable: TestClient, content: bytes, headers: dict[str, str], place: str
) -> None:
    refused = writable.post("/v1/documents", content=content, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-json")
    assert refused.json()["detail"].startswith(f"{place} is not JSON: ")


def test_a_partial_batch_passes_over_lines_that_are_no_json(writable: TestClient) -> None:
    lines = b'{"id": "a", "text": "time"}\n{oops\n\n\xff\n{"id": "b", "text": "time"}'
    done = writable.post("/v1/documents?partial=true&commit=true", content=lines, headers=NDJSON).json()

    assert done["changed"] == 2
    assert [(each["index"], each["detail"][:19]) for each in done["rejected"]] == [
        (1, "line 2 is not JSON:"),
        (2, "line 4 is not JSON:"),
    ]


@pytest.fixture
def held_merges(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldMerges]:
    """Merges that wait to be let go once they are begun."""
    held = HeldMerges(Merge.run)

    def run(merge: Merge) -> None:
        held.run(merge)

    monkeypatch.setattr(Merge, "run", run)
    yield held
    held.go.set()


class HeldMerges:
    def __init__(self, run: Callable[[Merge], None]) -> None:
        self._run = run
        self.begun, self.go = threading.Event(), threading.Event()
        self.failing = False

    def run(self, merge: Merge) -> None:
        self.begun.set()
        assert self.go.wait(30)
        if self.failing:
            raise OSError("no space left on device")
        self._run(merge)


def n_segments(pipeline: Pipeline) -> int:
    return Collection.open(pipeline.collection.path).n_segments


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


def test_changes_and_commits_go_on_while_segments_are_merged(
    writable: TestClient, pipeline: Pipeline, held_merges: HeldMerges
) -> None:
    for name in ("one", "two"):
        writable.put(f"/v1/documents/{name}?commit=true", json={"text": "parse"})
    assert held_merges.begun.wait(30)

    writable.put("/v1/documents/three?commit=true", json={"text": "parse"})
    writable.delete("/v1/documents/one?commit=true")
    assert sorted(found(writable, "parse")) == ["date", "three", "two"]
    assert writable.put("/v1/documents/four", json={"text": "parse"}).json()["pending"] == 1

    before = n_segments(pipeline)
    held_merges.go.set()
    eventually(lambda: n_segments(pipeline) < before)
    assert sorted(found(writable, "parse")) == ["date", "three", "two"]  # four still waits for its commit
    writable.post("/v1/commit")
    assert sorted(found(writable, "parse")) == ["date", "four", "three", "two"]
    assert verify_index(pipeline.collection.path, full=True).sound


def test_a_merge_that_fails_harms_nobody(
    writable: TestClient, pipeline: Pipeline, held_merges: HeldMerges, caplog: pytest.LogCaptureFixture
) -> None:
    held_merges.failing = True
    held_merges.go.set()
    for name in ("one", "two"):
        writable.put(f"/v1/documents/{name}?commit=true", json={"text": "parse"})
    eventually(lambda: "segments could not be merged" in caplog.text)

    held_merges.failing = False
    before = n_segments(pipeline)
    assert writable.put("/v1/documents/three?commit=true", json={"text": "parse"}).status_code == 200
    eventually(lambda: n_segments(pipeline) < before)
    assert sorted(found(writable, "parse")) == ["date", "one", "three", "two"]


def test_a_merge_that_gets_no_thread_does_not_keep_the_server_from_stopping(
    stopped: TestClient, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "lsr-merging":
            raise RuntimeError("can't start new thread")
        start(thread)

    with stopped as writable:
        monkeypatch.setattr(threading.Thread, "start", refused)
        for name in ("one", "two"):
            writable.put(f"/v1/documents/{name}?commit=true", json={"text": "parse"})
        eventually(lambda: "segments could not be merged" in caplog.text)
        monkeypatch.setattr(threading.Thread, "start", start)
        before = n_segments(pipeline)
        writable.put("/v1/documents/three?commit=true", json={"text": "parse"})
        eventually(lambda: n_segments(pipeline) < before + 1)
    assert verify_index(pipeline.collection.path, full=True).sound


def test_stopping_the_server_waits_for_a_merge(
    stopped: TestClient, pipeline: Pipeline, held_merges: HeldMerges
) -> None:
    with stopped as writable:
        for name in ("one", "two"):
            writable.put(f"/v1/documents/{name}?commit=true", json={"text": "parse"})
        assert held_merges.begun.wait(30)
        threading.Timer(0.2, held_merges.go.set).start()

    with CollectionWriter.open(pipeline.collection.path) as writer:  # nobody else holds the lock
        assert writer.begin_merge() is None
    assert verify_index(pipeline.collection.path, full=True).sound


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/documents/a?comit=true", {"text": "x"}),
        ("DELETE", "/v1/documents/date?comit=true", None),
        ("POST", "/v1/documents?comit=true", {"documents": BATCH}),
    ],
)
def test_a_misspelt_parameter_changes_nothing(
    writable: TestClient, method: str, path: str, body: object
) -> None:
    refused = writable.request(method, path, json=body)

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown-field")
    assert refused.json()["errors"][0]["field"] == "comit"
    assert "did you mean 'commit'?" in refused.json()["detail"]
    assert writable.post("/v1/commit").json()["generation"] == 1


def test_each_document_of_a_batch_is_refused_with_its_own_code(writable: TestClient) -> None:
    twice = [{"id": "one", "text": "a"}, {"id": "one", "text": "b"}]
    refused = writable.post("/v1/documents", json={"documents": twice}).json()
    assert (refused["code"], refused["errors"][0]["code"]) == ("duplicate-id", "duplicate-id")

    misspelt = {"documents": [{"id": "one", "text": "a", "titel": "b"}]}
    assert writable.post("/v1/documents", json=misspelt).json()["code"] == "unknown-field"

    mixed = {"documents": [*twice, {"id": "two"}]}
    assert writable.post("/v1/documents", json=mixed).json()["code"] == "invalid-argument"
    rejected = writable.post("/v1/documents?partial=true", json=mixed).json()["rejected"]
    assert [each["code"] for each in rejected] == ["duplicate-id", "invalid-argument"]


def test_a_broken_line_is_named_once(writable: TestClient) -> None:
    refused = writable.post("/v1/documents", content='{"id": "a", "text": ""}\n{"id": "b"', headers=NDJSON)

    assert refused.json()["detail"] == "line 2 is not JSON: Expecting ',' delimiter at character 11"


def test_an_id_in_a_body_is_refused_with_what_may_stand_there(writable: TestClient) -> None:
    refused = writable.put("/v1/documents/a", json={"id": "a", "text": "x"})

    assert refused.json()["detail"] == "there is no field 'id'; known: title, text, metadata"
