"""An index keeps the table that weighs its queries, whatever happens to the file it was made with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lsr.data.documents import Document
from lsr.indexer.collection import Collection
from lsr.indexer.fields import QueryTable
from lsr.indexer.manifest import read_manifest, write_manifest
from lsr.indexer.storage import FileStorage

from lsr.encoders.loading import SPLADE_TINY, load_encoder
from lsr.indexing import DocumentEncoder, index_documents, plan_index
from lsr.pipeline import Pipeline
from lsr.requests import SearchRequest

RunLsr = Callable[..., Any]

TABLE = b'{"zip": 2.0, "file": 0.5, "archive": 1.25}'
QUESTION = "a zip file or an archive"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "idf.json"
    path.write_bytes(TABLE)
    return path


@pytest.fixture
def docs(write_lines: Callable[..., Path]) -> Path:
    return write_lines([{"_id": "a", "text": "a zip archive"}, {"_id": "b", "text": "read a file"}])


@pytest.fixture
def index(lsr: RunLsr, docs: Path, table: Path, tmp_path: Path) -> Path:
    made = lsr("index", docs, "-o", tmp_path / "i", "--queries", table)
    assert made.status == 0, made.err
    return tmp_path / "i"


@pytest.fixture
def hits(lsr: RunLsr) -> Callable[[Path], Any]:
    def search(index: Path) -> Any:
        found = lsr("search", index, QUESTION, "--json", "--explain")
        assert found.status == 0, found.err
        return [found.json[part] for part in ("hits", "query_terms")]

    return search


def test_a_search_needs_the_file_no_more(index: Path, table: Path, hits: Callable[[Path], Any]) -> None:
    before = hits(index)
    assert [(each["term"], each["weight"]) for each in before[1]] == [
        ("zip", 2.0),
        ("archive", 1.25),
        ("file", 0.5),
    ]
    table.write_text('{"zip": 9.0}')
    assert hits(index) == before
    table.unlink()
    assert hits(index) == before


def test_nor_do_changes_and_copies(
    lsr: RunLsr, index: Path, docs: Path, table: Path, tmp_path: Path, hits: Callable[[Path], Any]
) -> None:
    before = hits(index)
    table.unlink()
    assert lsr("snapshot", index, tmp_path / "kept").status == 0
    assert lsr("add", index, docs).status == 0
    assert lsr("merge", index, "--full").status == 0
    assert hits(index) == before
    shutil.rmtree(index)
    assert lsr("restore", tmp_path / "kept", index).status == 0
    shutil.rmtree(tmp_path / "kept")
    assert hits(index) == before
    assert lsr("verify", index, "--full").status == 0


def test_a_moved_model_is_all_that_has_to_be_named(
    lsr: RunLsr, docs: Path, table: Path, tmp_path: Path
) -> None:
    shutil.copytree(SPLADE_TINY.locate(), tmp_path / "own")
    made = lsr("index", docs, "-o", tmp_path / "i", "--model", tmp_path / "own", "--queries", table)
    assert made.status == 0, made.err
    table.unlink()
    (tmp_path / "own").rename(tmp_path / "elsewhere")
    lost = lsr("search", tmp_path / "i", QUESTION)
    assert (lost.status, f"made with the model {tmp_path / 'own'}. " in lost.err) == (2, True)
    assert lsr("search", tmp_path / "i", QUESTION, "--model", tmp_path / "elsewhere").status == 0


def test_damage_to_it_is_named(lsr: RunLsr, index: Path) -> None:
    entry = read_manifest(index).field("learned").query_table
    assert entry is not None
    raw = bytearray((index / entry.path).read_bytes())
    raw[raw.index(b"2.0")] ^= 1
    (index / entry.path).write_bytes(raw)
    checked = lsr("verify", index, "--full", "--json")
    assert (checked.status, [each["file"] for each in checked.json["problems"]]) == (2, [entry.path])
    refused = lsr("search", index, QUESTION)
    assert (refused.status, entry.path in refused.err) == (2, True)


def test_a_resumed_build_keeps_it(
    lsr: RunLsr, docs: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_batch(documents: Iterator[Document], *_: object) -> Iterator[list[Document]]:
        yield [next(iter(documents))]
        raise KeyboardInterrupt

    command = ("index", docs, "-o", tmp_path / "i", "--queries", table)
    with monkeypatch.context() as patched:
        patched.setattr("lsr.indexing._batches", one_batch)
        assert lsr(*command).status == 130
    resumed = lsr(*command, "--resume")
    assert resumed.status == 0, resumed.err
    table.unlink()
    assert len(lsr("search", tmp_path / "i", QUESTION, "--json").json["hits"]) == 2


def test_an_index_of_before_takes_the_file(
    lsr: RunLsr, index: Path, table: Path, tmp_path: Path, hits: Callable[[Path], Any]
) -> None:
    before = hits(index)
    manifest = read_manifest(index)
    fields = tuple(replace(entry, query_table=None) for entry in manifest.fields)
    write_manifest(FileStorage(), index, replace(manifest, fields=fields))
    assert hits(index) == before
    table.rename(tmp_path / "moved.json")
    moved = lsr("search", index, QUESTION)
    assert (moved.status, f"with queries by {table}" in moved.err) == (2, True)


def test_a_table_made_in_python_is_kept(tmp_path: Path, table: Path) -> None:
    encoder = load_encoder("splade-tiny", queries=QueryTable("idf.json", TABLE))
    assert encoder.describe() == load_encoder("splade-tiny", queries=table).describe()
    table.unlink()
    documents = [Document("a", "a zip archive"), Document("b", "read a file")]
    index_documents(documents, tmp_path / "i", DocumentEncoder(plan_index("splade-tiny"), encoder=encoder))
    assert Collection.open(tmp_path / "i").query_table("learned") == QueryTable("idf.json", TABLE)
    found = Pipeline.open(tmp_path / "i").search(SearchRequest(text=QUESTION))
    assert [hit.id for hit in found.hits] == ["a", "b"]
