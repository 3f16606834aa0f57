"""Snapshots and restores beside a server that is asked and written to all the while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.snapshots import restore, snapshot
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.vectors import SparseVectors, TermCounts

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from lsr.pipeline import Pipeline

QUESTION = {"query": "parse", "k": 1000}  # of the index's five documents only "date" is found
ALWAYS = {"date", "read", "zip/a b#1%", "empty", "open"}
STATES = 6


@contextmanager
def repeated(step: Callable[[], object]) -> Iterator[list[Any]]:
    """Do something over and over in a thread while the block runs, at least once; the results so far.

    What it raises is raised at the end of the block.
    """
    results: list[Any] = []
    failed: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            while True:
                results.append(step())
                if ended.is_set():
                    return
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield results
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]


def expected(n_commits: int) -> set[str]:
    """What "parse" finds after so many commits, each of which adds a document."""
    return {"date", *(f"new-{each}" for each in range(n_commits))}


def found(client: TestClient) -> set[str]:
    response = client.post("/v1/search", json=QUESTION)
    assert response.status_code == 200, response.text
    return {hit["id"] for hit in response.json()["hits"]}


def test_a_writable_server_goes_on_while_snapshots_are_taken_and_restored(
    writable: TestClient, pipeline: Pipeline, tmp_path: Path
) -> None:
    """The server merges in the background, too, so files that are being linked go away meanwhile."""
    committed = 0

    def commit_one() -> None:
        nonlocal committed
        put = writable.put(f"/v1/documents/new-{committed}?commit=true", json={"text": "parse"})
        assert put.json()["pending"] == 0
        committed += 1

    with repeated(lambda: found(writable)) as answers, repeated(commit_one):
        between = []
        for at in range(STATES):
            before = committed
            snapshot(pipeline.collection.path, tmp_path / f"kept-{at}")
            between.append((before, committed + 1))  # the newest one may not be acknowledged yet
            restore(tmp_path / f"kept-{at}", tmp_path / f"restored-{at}")

    sizes = [len(ids) for ids in answers]
    assert sizes == sorted(sizes)
    assert answers == [expected(size - 1) for size in sizes]
    for at, (least, most) in enumerate(between):
        restored = Collection.open(tmp_path / f"restored-{at}")
        n_commits = restored.n_documents - 5
        assert least <= n_commits <= most
        assert {each.id for each in restored.all_documents()} == ALWAYS | expected(n_commits)
        report = verify_index(restored.path, full=True)
        assert report.sound, report.problems
    assert found(writable) == expected(committed)


def test_a_server_goes_on_while_its_own_index_is_restored(
    pipeline: Pipeline, make_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Each round: a commit, a merge that removes every older file, and the way back to the first state."""
    index = pipeline.collection.path
    client = make_client(pipeline, poll_seconds=0.001)
    snapshot(index, tmp_path / "kept")

    with repeated(lambda: found(client)) as answers:
        for _ in range(STATES):
            with CollectionWriter.open(index) as writer:
                add_found(writer, "new")
                writer.commit()
                writer.merge(full=True)
            generation = restore(tmp_path / "kept", index)
            wait_for(client, generation)

    assert all(ids in ({"date"}, {"date", "new"}) for ids in answers)
    assert found(client) == {"date"}
    assert verify_index(index, full=True).sound


def test_an_index_restored_elsewhere_gives_the_same_answers(
    pipeline: Pipeline, make_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    from lsr.pipeline import Pipeline

    snapshot(pipeline.collection.path, tmp_path / "kept")
    restore(tmp_path / "kept", tmp_path / "elsewhere")
    again = Pipeline(Collection.open(tmp_path / "elsewhere"), dict(pipeline.encoders))

    first, second = (make_client(each).post("/v1/search", json=QUESTION).json() for each in (pipeline, again))
    assert first["hits"] == second["hits"] != []


def add_found(writer: CollectionWriter, name: str) -> None:
    """A document with "parse" in both fields, without an encoder."""
    vocabulary = Collection.open(writer.path).vocabulary("learned")
    term = writer.vocabulary("bm25").ids_adding(["parse"])
    writer.add(
        [DocumentInput(name, "parse")],
        {
            "learned": SparseVectors.from_dicts([{"parse": 1.0}], vocabulary),
            "bm25": TermCounts.from_bags([term]),
        },
    )


def wait_for(client: TestClient, generation: int) -> None:
    for _ in range(10_000):
        if client.get("/health/ready").json()["generation"] == generation:
            return
    raise AssertionError(f"generation {generation} was never served")
