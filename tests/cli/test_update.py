"""lsr add, delete and merge."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsr.errors import ResourceError

RunLsr = Callable[..., Any]


def found(lsr: RunLsr, index: Path, query: str) -> list[str]:
    return [hit["id"] for hit in lsr("search", index, query, "--json").json["hits"]]


def test_added_documents_are_found_and_replace_those_with_their_id(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path]
) -> None:
    records = [{"_id": "zip", "text": "unpack archives"}, {"_id": "new", "text": "brand new"}]
    more = write_lines(records, "more.jsonl")
    update = lsr("add", index, more, "--json")

    assert update.status == 0, update.err
    assert (update.json["changed"], update.json["documents"], update.json["generation"]) == (2, 4, 2)
    assert found(lsr, index, "archives") == ["zip"]
    assert found(lsr, index, "compress") == []
    assert found(lsr, index, "brand") == ["new"]


def test_texts_longer_than_the_model_reads_are_counted(
    lsr: RunLsr, documents: Path, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    assert lsr("index", documents, "-o", tmp_path / "i").status == 0
    more = write_lines([{"_id": "long", "text": "an archive of files " * 200}, {"_id": "new", "text": "new"}])
    added = lsr("add", tmp_path / "i", more)

    assert "1 text was longer than the model reads and was cut" in added.out
    again = lsr("add", tmp_path / "i", more, "--stage", "--json").json
    assert (again["truncated"], again["split"]) == (1, 0)


def test_a_broken_line_adds_nothing(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path], tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    before = tree_bytes(index)
    outcome = lsr("add", index, write_lines([{"_id": "new", "text": "brand new"}, "{oops"], "more.jsonl"))

    assert outcome.status == 2
    assert "more.jsonl:2" in outcome.err
    assert tree_bytes(index) == before


def test_deleted_documents_are_gone_and_unknown_ids_do_not_count(lsr: RunLsr, index: Path) -> None:
    outcome = lsr("delete", index, "zip", "nothing")

    assert outcome.out.startswith("1 document deleted; 2 in ")
    assert found(lsr, index, "compress") == []


def test_ids_from_standard_input(lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"zip\nread\n"))))

    assert lsr("delete", index, "-", "--json").json["changed"] == 2
    assert lsr("delete", index, "not UTF-8: \udce9", "--json").json["changed"] == 0


def test_nothing_to_delete_is_an_error(lsr: RunLsr, index: Path) -> None:
    outcome = lsr("delete", index)

    assert outcome.status == 2
    assert "at least one id" in outcome.err


def test_no_ids_on_standard_input_delete_nothing(
    lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b""))))
    outcome = lsr("delete", index, "-")

    assert (outcome.status, outcome.out[:19]) == (0, "0 documents deleted")


def test_many_small_segments_are_joined(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsr.updating.MANY_SEGMENTS", 3)
    segments = []
    for at in range(5):
        lsr("add", index, write_lines([{"_id": f"new{at}", "text": f"brand new {at}"}], "more.jsonl"))
        segments.append(lsr("info", index, "--json").json["segments"])

    assert segments[:2] == [2, 3]
    assert max(segments) == 3
    assert sorted(found(lsr, index, "brand")) == [f"new{at}" for at in range(5)]


def test_a_change_stays_where_segments_cannot_be_joined(
    lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise ResourceError("no space left")

    monkeypatch.setattr("lsr.updating.MANY_SEGMENTS", 0)
    monkeypatch.setattr("lsr.indexer.writer.CollectionWriter.merge", full)
    outcome = lsr("delete", index, "zip")

    assert outcome.status == 0
    assert found(lsr, index, "compress") == []
    assert "the change is committed, but segments could not be joined: no space left" in caplog.text


def test_a_full_merge_gives_back_space(lsr: RunLsr, index: Path) -> None:
    lsr("delete", index, "zip")
    assert lsr("info", index, "--json").json["deleted"] == 1
    merged = lsr("merge", index, "--full", "--json")

    assert merged.json["changed"] == 1
    facts = lsr("info", index, "--json").json
    assert (facts["deleted"], facts["segments"], facts["documents"]) == (0, 1, 2)
    assert found(lsr, index, "line") == ["read"]


def test_a_second_writer_is_told_who_holds_the_lock(lsr: RunLsr, index: Path) -> None:
    from lsr.indexer.writer import CollectionWriter

    with CollectionWriter.open(index):
        outcome = lsr("delete", index, "zip")

    assert outcome.status == 2
    assert "process" in outcome.err


def test_staged_changes_appear_together_with_the_commit(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path]
) -> None:
    added = lsr("add", index, write_lines([{"_id": "new", "text": "brand new"}], "more.jsonl"), "--stage")
    deleted = lsr("delete", index, "zip", "--stage", "--json").json

    assert added.out.startswith("1 document added or replaced, staged; 4 in ")
    assert (deleted["staged"], deleted["documents"], deleted["generation"]) == (True, 3, 1)
    assert found(lsr, index, "brand") == []
    assert lsr("info", index, "--json").json["staged"] == {"added": 1, "removed": 1}
    assert "staged: 1 document to add, 1 to delete or replace" in lsr("info", index).out
    done = lsr("commit", index, "--json").json
    assert (done["changed"], done["documents"], done["generation"]) == (2, 3, 2)
    assert found(lsr, index, "brand") == ["new"]
    assert found(lsr, index, "compress") == []
    assert lsr("commit", index, "--json").json["generation"] == 2


def test_staged_changes_are_forgotten_on_request(lsr: RunLsr, index: Path) -> None:
    lsr("delete", index, "zip", "--stage")
    outcome = lsr("commit", index, "--discard")

    assert outcome.out.startswith("1 document forgotten; 3 in ")
    assert lsr("info", index, "--json").json["staged"] is None


def test_a_merge_with_staged_changes_says_what_to_do(lsr: RunLsr, index: Path) -> None:
    lsr("delete", index, "zip", "--stage")
    outcome = lsr("merge", index)

    assert outcome.status == 2
    assert "lsr commit" in outcome.err


def test_info_shows_how_far_the_average_length_has_drifted(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path]
) -> None:
    before = lsr("info", index, "--json").json["fields"][0]
    lsr("add", index, write_lines([{"_id": "long", "text": "word " * 50}], "more.jsonl"))
    after = lsr("info", index, "--json").json["fields"][0]

    assert before["live_length"] == before["average_length"] == after["average_length"]
    assert after["live_length"] > 2 * after["average_length"]
    assert "lsr merge --full" in lsr("info", index).out
