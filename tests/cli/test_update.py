"""lsr add, delete and merge."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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

    assert outcome.out.startswith("1 documents deleted; 2 in ")
    assert found(lsr, index, "compress") == []


def test_ids_from_standard_input(lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("zip\nread\n"))

    assert lsr("delete", index, "-", "--json").json["changed"] == 2


def test_nothing_to_delete_is_an_error(lsr: RunLsr, index: Path) -> None:
    outcome = lsr("delete", index)

    assert outcome.status == 2
    assert "at least one id" in outcome.err


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
