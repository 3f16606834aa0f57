"""lsr index, search and info on an index of term counts."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

RunLsr = Callable[..., Any]


def test_index_then_search_then_info(lsr: RunLsr, index: Path) -> None:
    found = lsr("search", index, "compress", "--json")
    facts = lsr("info", index, "--json")

    assert found.status == facts.status == 0
    assert [hit["id"] for hit in found.json["hits"]] == ["zip"]
    assert found.json["hits"][0]["document"]["metadata"] == {"lang": "en"}
    assert facts.json["documents"] == 3
    assert facts.json["fields"][0]["name"] == "bm25"


def test_a_filter(lsr: RunLsr, index: Path) -> None:
    query = ("search", index, "read compress", "--json", "--filter")

    assert [hit["id"] for hit in lsr(*query, 'lang = "en"').json["hits"]] == ["zip"]
    assert lsr(*query, "lang =").status == 2


def test_text_for_people(lsr: RunLsr, index: Path) -> None:
    found = lsr("search", index, "line by line", "--explain")
    facts = lsr("info", index)

    assert "read  Files" in found.out
    assert "read a file line by line" in found.out
    assert "contribution" in found.out
    assert re.search(r"bm25 +line +line ", found.out)
    assert "1 match" in found.err
    assert "3 documents" in facts.out


def test_one_question_a_line(lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", typed(b"compress\n\nread\r\n"))
    found = lsr("search", index, "-", "--json")

    assert [[hit["id"] for hit in answer["hits"]] for answer in found.json] == [["zip"], ["read"]]


def test_questions_that_are_not_utf8_are_named(
    lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", typed(b"read\ncaf\xe9\n"))
    asked = lsr("search", index, "-")
    assert (asked.status, "standard input:2: invalid UTF-8" in asked.err) == (2, True)

    for arguments in (("search", index, "caf\udce9"), ("encode", "--text", "caf\udce9")):
        refused = lsr(*arguments)  # bytes of a command line that are not UTF-8
        assert (refused.status, "at character 4 is half a character" in refused.err) == (2, True)


def test_the_preflight_line_and_the_result(lsr: RunLsr, documents: Path, tmp_path: Path) -> None:
    built = lsr("index", documents, "-o", tmp_path / "i", "--model", "bm25")

    assert "documents/s" in built.err
    assert "memory up to" in built.err
    assert re.search(r"index about 1[0-3]\.\d kB", built.err)  # however small, it is some 30 files
    assert 'note: ids from "_id", text from "text"' in built.err
    assert "3 documents in" in built.out
    assert "searches sum bm25 × 1" in built.out


def test_json_summary(lsr: RunLsr, documents: Path, tmp_path: Path) -> None:
    summary = lsr("index", documents, "-o", tmp_path / "i", "--model", "bm25", "--json").json

    assert summary["documents"] == 3
    assert summary["generation"] == 1
    assert summary["fields"] == {"bm25": 1.0}


def test_overwrite_replaces_and_without_it_nothing_happens(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path], tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    other = write_lines([{"_id": "new", "text": "something else"}], "other.jsonl")
    before = tree_bytes(index)

    refused = lsr("index", other, "-o", index, "--model", "bm25")
    assert refused.status == 2
    assert "--overwrite" in refused.err
    assert tree_bytes(index) == before

    assert lsr("index", other, "-o", index, "--model", "bm25", "--overwrite").status == 0
    assert lsr("info", index, "--json").json["documents"] == 1


def test_reordered_documents_are_found_and_the_index_says_so(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    lines = [{"_id": f"d{at}", "text": ("red apple", "blue sea")[at % 2] + f" {at}"} for at in range(40)]
    plain, other = tmp_path / "plain", tmp_path / "other"
    for path, given in ((plain, ()), (other, ("--reorder",))):
        assert lsr("index", write_lines(lines), "-o", path, "--model", "bm25", *given).status == 0

    for question in ("apple 12", "sea"):
        hits = [lsr("search", path, question, "-k", "40", "--json").json["hits"] for path in (plain, other)]
        assert len({tuple(sorted((hit["score"], hit["id"]) for hit in each)) for each in hits}) == 1
    assert [lsr("info", path, "--json").json["reordered"] for path in (plain, other)] == [False, True]
    assert "like documents were put next to each other" in lsr("info", other).out
    lsr("export", other, tmp_path / "v.jsonl")
    again = lsr("import", tmp_path / "v.jsonl", "-o", tmp_path / "again", "--reorder")
    assert (again.status, "40 documents" in again.out) == (0, True)
    assert lsr("info", tmp_path / "again", "--json").json["reordered"] is True


def test_skip_counts_what_cannot_be_used(lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path) -> None:
    source = write_lines([{"_id": "a", "text": "one"}, "{broken", {"_id": "b", "text": "two"}, *["{"] * 6])
    skipping = ("--model", "bm25", "--on-error", "skip", "--json")
    built = lsr("index", source, "-o", tmp_path / "i", *skipping)

    assert built.status == 0
    assert built.json["skipped"] == 7
    assert "7 records skipped:" in built.err
    assert built.err.count("docs.jsonl:") == 5
    assert "and 2 more" in built.err
    assert lsr("info", tmp_path / "i", "--json").json["documents"] == 2
    assert "7 records skipped:" in lsr("add", tmp_path / "i", source, "--on-error", "skip").err


def test_without_skip_the_first_one_says_that_it_could_be_skipped(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    refused = lsr("index", write_lines(["{broken"]), "-o", tmp_path / "i", "--model", "bm25")
    assert "docs.jsonl:1: invalid JSON" in refused.err
    assert "`--on-error skip`" in refused.err

    empty = lsr("index", write_lines([]), "-o", tmp_path / "i", "--model", "bm25")
    assert "--on-error" not in empty.err


def test_field_names_by_flags(lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path) -> None:
    source = write_lines([{"sku": 7, "name": "Lamp", "about": "gives light", "price": 3, "colour": "red"}])
    built = lsr(
        *("index", source, "-o", tmp_path / "i", "--model", "bm25"),
        *("--id-field", "sku", "--title-field", "name", "--text-field", "about", "--metadata-field", "price"),
    )
    found = lsr("search", tmp_path / "i", "light", "--json").json["hits"][0]

    assert built.status == 0
    assert found["id"] == "7"
    assert found["document"] == {"title": "Lamp", "text": "gives light", "metadata": {"price": 3}}


def test_a_metadata_field_that_no_document_has_is_told(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsr.cli.sources.TOLD_EARLY", 1)
    source = write_lines([{"id": f"d{at}", "text": "x", "lang": "en", "year": at} for at in range(3)])
    command = ("index", source, "-o", tmp_path / "i", "--model", "bm25", "--overwrite")

    built = lsr(*command, "--metadata-field", "langg", "--metadata-field", "year")
    there = 'the metadata field "langg"; besides id, title and text there are "lang", "year"'
    assert built.status == 0
    assert f"note: none of the first 1 documents has {there}\n" in built.err
    assert f"warning: no document has {there}\n" in built.err
    assert "metadata field" not in lsr(*command, "--metadata-field", "lang").err


def test_interrupted_builds_are_kept_and_resumed(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines([{"_id": str(number), "text": f"text number {number}"} for number in range(100)])
    command = ("index", source, "-o", tmp_path / "i", "--model", "bm25")
    with monkeypatch.context() as patched:
        patched.setattr("lsr.indexing._batches", interrupted_after_first(patched))
        stopped = lsr(*command)

    assert stopped.status == 130
    assert "--resume" in stopped.err
    assert lsr("search", tmp_path / "i", "number").status == 2

    again = lsr(*command)
    assert again.status == 2
    assert "--resume" in again.err
    assert "--overwrite" in again.err

    resumed = lsr(*command, "--resume", "--json")
    assert resumed.status == 0
    assert resumed.json["documents"] == 100
    ids = {hit["id"] for hit in lsr("search", tmp_path / "i", "text", "-k", "200", "--json").json["hits"]}
    assert ids == {str(number) for number in range(100)}


def interrupted_after_first(patched: pytest.MonkeyPatch) -> Callable[..., Iterator[Any]]:
    from lsr import indexing

    real = indexing._batches

    def batches(*arguments: Any) -> Iterator[Any]:
        yield next(real(*arguments))
        raise KeyboardInterrupt

    return batches


def typed(content: bytes) -> io.TextIOWrapper:
    """Standard input that holds these bytes."""
    return io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type]


LINE = b'{"_id": "a", "text": "one"}\n'


def test_standard_input_says_that_it_cannot_be_resumed(
    lsr: RunLsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", typed(LINE))
    built = lsr("index", "-", "-o", tmp_path / "i", "--model", "bm25")

    assert built.status == 0, built.err
    assert "cannot be resumed" in built.err

    resumed = lsr("index", "-", "-o", tmp_path / "j", "--model", "bm25", "--resume")
    assert (resumed.status, "nothing to go on with" in resumed.err) == (2, True)

    monkeypatch.setattr("sys.stdin", typed(b""))
    empty = lsr("index", "-", "-o", tmp_path / "j", "--model", "bm25")
    assert (empty.status, "standard input: no documents" in empty.err) == (2, True)


def test_verify_finds_nothing_and_then_a_changed_byte(lsr: RunLsr, index: Path) -> None:
    sound = lsr("verify", index, "--json")
    assert sound.status == 0
    assert sound.json["queries_checked"] > 0
    assert sound.json["problems"] == []

    victim = next(index.glob("segments/*/bm25.weights.arr"))
    data = bytearray(victim.read_bytes())
    data[70] ^= 1
    victim.write_bytes(data)
    damaged = lsr("verify", index)
    assert damaged.status == 2
    assert "bm25.weights.arr" in damaged.out
    assert "1 damaged file;" in damaged.err
