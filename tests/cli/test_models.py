"""How a model is used, from the command line: transforms, passages, other query encoders."""

from __future__ import annotations

import json
import linecache
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsr.encoders.loading import SPLADE_TINY, load_encoder
from lsr.encoders.saving import save_encoder

RunLsr = Callable[..., Any]

LONG = "A file is read line by line. " * 30 + "The archive is compressed with zip. " + "Dates are parsed. " * 30


@pytest.fixture
def masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's own in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "masks", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "masks.py"
    path.write_text(
        "def mask(text):\n    return text.replace('Alice', 'somebody').replace('Bob', 'somebody')\n"
    )
    return path


def test_a_transform_is_recorded_and_asked_for_by_name(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, masks: Path
) -> None:
    docs = write_lines([{"_id": "a", "text": "Alice reads"}, {"_id": "z", "text": "a zip archive"}])
    made = lsr("index", docs, "-o", tmp_path / "i", "--transform", "masks:mask")
    assert made.status == 0, made.err
    assert "transform masks:mask" in lsr("info", tmp_path / "i").out

    refused = lsr("search", tmp_path / "i", "Bob")
    assert refused.status == 2
    assert "Add `--transform masks:mask`" in refused.err
    assert lsr("search", tmp_path / "i", "Bob", "--fields", "bm25").status == 2

    found = lsr("search", tmp_path / "i", "Bob", "--transform", "masks:mask", "--json")
    assert [hit["id"] for hit in found.json["hits"]][:1] == ["a"]
    assert found.json["hits"][0]["scores"]["bm25"] > 0

    more = write_lines([{"_id": "b", "text": "Bob writes"}], "more.jsonl")
    assert lsr("add", tmp_path / "i", more).status == 2
    assert lsr("add", tmp_path / "i", more, "--transform", "masks:mask").status == 0
    only = lsr("search", tmp_path / "i", "Alice", "--transform", "masks:mask", "--fields", "bm25", "--json")
    assert {hit["id"] for hit in only.json["hits"]} == {"a", "b"}

    other = lsr("search", tmp_path / "i", "Bob", "--transform", "textwrap:dedent")
    assert other.status == 2
    assert "not by textwrap:dedent" in other.err
    masks.write_text("def mask(text):\n    return text.lower()\n")
    del sys.modules["masks"]
    linecache.clearcache()
    changed = lsr("search", tmp_path / "i", "Bob", "--transform", "masks:mask")
    assert changed.status == 2
    assert "was changed since" in changed.err


def test_an_index_of_plain_texts_refuses_a_transform(lsr: RunLsr, index: Path, masks: Path) -> None:
    refused = lsr("search", index, "read", "--transform", "masks:mask")
    assert refused.status == 2
    assert "Leave the transform out" in refused.err


@pytest.mark.parametrize("passages", ["merged", "best"])
def test_long_documents_are_split(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, passages: str
) -> None:
    docs = write_lines(
        [{"_id": "long", "title": "Notes", "text": LONG}, {"_id": "short", "text": "a zip file"}]
    )
    options = ("--split", "sentences", "--passage-length", 48, "--overlap", 8, "--passages", passages)
    made = lsr("index", docs, "-o", tmp_path / "i", *options)
    assert made.status == 0, made.err
    assert "1 document was split into passages" in made.out
    assert ("2 documents as " in made.out) == (passages == "best")

    shown = lsr("info", tmp_path / "i")
    assert "1 document was split" in shown.out
    assert "split sentences, passage_length 48, overlap 8" in shown.out
    facts = lsr("info", tmp_path / "i", "--json").json
    assert (facts["documents"], facts["split"], facts["truncated"]) == (2, 1, 0)

    query = ("search", tmp_path / "i", "compressed archive", "--fields", "learned")
    hit = next(each for each in lsr(*query, "--json").json["hits"] if each["id"] == "long")
    assert hit["document"]["title"] == "Notes"
    if passages == "merged":
        assert "passage" not in hit
        assert hit["document"]["text"] == LONG
        return
    place = hit["passage"]
    assert hit["document"]["text"] == LONG[place["start"] : place["end"]]
    assert "compressed with zip" in hit["document"]["text"]
    assert f"passage {place['number']} of {place['count']}" in lsr(*query).out
    assert lsr("delete", tmp_path / "i", "long").out.startswith("1 document deleted; 1 in")
    added = lsr("add", tmp_path / "i", docs).out
    assert added.startswith("2 documents added or replaced; 2 in")
    assert "1 document was split into passages" in added
    assert lsr("info", tmp_path / "i", "--json").json["split"] == 2


def test_python_source_is_split_at_definitions(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    jobs = [f"def job_{at}(path):\n    text = open(path)\n    return text * {at}" for at in range(9)]
    options = ("--split", "definitions", "--passage-length", 40, "--overlap", 0, "--passages", "best")
    docs = write_lines([{"_id": "code", "text": "\n\n".join(jobs)}])
    assert lsr("index", docs, "-o", tmp_path / "i", *options).status == 0
    [hit] = lsr("search", tmp_path / "i", "job open path", "--json").json["hits"]
    assert hit["document"]["text"].startswith("def job_")


def test_queries_by_a_table(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "idf.json").write_text('{"zip": 2.0, "file": 0.5}')
    docs = write_lines([{"_id": "a", "text": "a zip archive"}, {"_id": "b", "text": "a file"}])
    made = lsr("index", docs, "-o", "i", "--queries", "idf.json")
    assert made.status == 0, made.err
    assert "so the index has its field alone" in made.err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = lsr("search", tmp_path / "i", "zip zip files", "--json", "--explain").json
    assert [(each["term"], each["weight"]) for each in found["query_terms"]] == [("zip", 2.0)]
    assert found["hits"][0]["id"] == "a"

    shutil.move(tmp_path / "idf.json", tmp_path / "elsewhere")
    again = lsr("search", tmp_path / "i", "zip", "--queries", "idf.json", "--json")
    assert again.json["hits"][0]["id"] == "a"
    (tmp_path / "elsewhere" / "idf.json").write_text('{"zip": 1.0}')
    assert "same vocabulary, other weights" in lsr("search", tmp_path / "i", "zip", "--queries", "idf.json").err


def test_a_table_from_the_documents(lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path) -> None:
    docs = write_lines([{"_id": "a", "text": "a zip archive"}, {"_id": "b", "text": "a file"}])
    made = lsr("idf", docs, "-o", tmp_path / "idf.json", "--json").json
    assert (made["documents"], made["tokens"], made["tokens_held"]) == (2, 30_522, 4)
    weights = json.loads((tmp_path / "idf.json").read_text())
    assert weights["zip"] == pytest.approx(math.log(1 + 1.5 / 1.5))
    assert weights["a"] == pytest.approx(math.log(1 + 0.5 / 2.5))
    assert weights["fish"] == 1
    options = ("--method", "splade-doc", "--queries", tmp_path / "idf.json")
    assert lsr("index", docs, "-o", tmp_path / "i", *options).status == 0
    found = lsr("search", tmp_path / "i", "a zip", "--json", "--explain").json
    assert found["query_terms"][0]["term"] == "zip"


def test_a_table_needs_documents(lsr: RunLsr, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    refused = lsr("idf", tmp_path / "empty.jsonl", "-o", tmp_path / "idf.json")
    assert refused.status == 2
    assert "no documents" in refused.err
    assert list(tmp_path.iterdir()) == [tmp_path / "empty.jsonl"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--model", "bm25", "--split", "sentences"), "split: bm25 counts terms"),
        (("--fields", "bm25", "--precision", "bfloat16"), "precision: an index of term counts alone"),
        (("--overlap", "3"), "overlap: documents are not split"),
        (("--split", "sentences", "--passage-length", "255"), "longer than the 254"),
        (("--split", "sentences", "--passages", "best", "--passage-length", "255"), "longer than the 254"),
        (("--split", "sentences", "--passage-length", "20", "--overlap", "20"), "overlap must be"),
        (("--transform", "nowhere:f"), "cannot be imported"),
        (("--method", "splode"), "no method is called"),
        (("--document-length", "600"), "document_length"),
        (("--queries", "absent.json"), "no such table"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_made(
    lsr: RunLsr, documents: Path, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    refused = lsr("index", documents, "-o", tmp_path / "i", *options)
    assert refused.status == 2
    assert says in refused.err
    assert not (tmp_path / "i").exists()


def test_models_that_were_moved_are_named_anew(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("own", "asking"):
        shutil.copytree(SPLADE_TINY.locate(), tmp_path / name)
    docs = write_lines([{"_id": "read", "text": "read a file"}])
    models = ("--model", tmp_path / "own", "--queries", tmp_path / "asking")
    assert lsr("index", docs, "-o", tmp_path / "i", *models).status == 0

    (tmp_path / "asking").rename(tmp_path / "own" / "asking")
    moved = lsr("search", tmp_path / "i", "file")
    assert (moved.status, "say where it is now with `--model` or `--queries`" in moved.err) == (2, True)
    assert lsr("search", tmp_path / "i", "file", "--queries", tmp_path / "own" / "asking").status == 0

    (tmp_path / "own").rename(tmp_path / "elsewhere")
    where = ("--queries", tmp_path / "elsewhere" / "asking")
    lost = lsr("search", tmp_path / "i", "file", *where)
    assert (lost.status, f"made with the model {tmp_path / 'own'}" in lost.err) == (2, True)
    assert lsr("search", tmp_path / "i", "file", "--model", tmp_path / "elsewhere", *where).status == 0


def test_a_model_that_was_moved_is_named_where_another_one_has_its_name(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    """An encoder that was saved keeps its name, and the built-in one of that name is another model by now."""
    save_encoder(load_encoder("splade-tiny"), tmp_path / "own")
    docs = write_lines([{"_id": "read", "text": "read a file"}])
    assert lsr("index", docs, "-o", tmp_path / "i", "--model", tmp_path / "own").status == 0

    (tmp_path / "own").rename(tmp_path / "elsewhere")
    moved = lsr("search", tmp_path / "i", "file")
    assert moved.status == 2
    assert f"made with the model {tmp_path / 'own'}, which is not there any more" in moved.err
    assert lsr("search", tmp_path / "i", "file", "--model", tmp_path / "elsewhere").status == 0


def test_a_missing_table_is_not_told_as_what_the_index_was_made_with(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    docs = write_lines([{"_id": "read", "text": "read a file"}])
    assert lsr("index", docs, "-o", tmp_path / "i").status == 0
    refused = lsr("search", tmp_path / "i", "file", "--queries", "absent.json")

    assert refused.status == 2
    assert "absent.json: no such table" in refused.err
    assert "with queries by" not in refused.err
