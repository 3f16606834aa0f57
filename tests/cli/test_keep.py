"""lsr snapshot, restore, export and import."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsr.indexer.writer import CollectionWriter

from lsr.pipeline import Pipeline
from lsr.requests import SearchRequest

RunLsr = Callable[..., Any]


def test_a_snapshot_is_brought_back(lsr: RunLsr, index: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert lsr("snapshot", index, kept, "--json").json["generation"] == 1
    lsr("delete", index, "zip")
    assert lsr("info", index, "--json").json["documents"] == 2

    restored = lsr("restore", kept, index)
    assert restored.status == 0
    assert "generation 3" in restored.out
    assert lsr("info", index, "--json").json["documents"] == 3


def test_a_snapshot_over_something_is_refused(lsr: RunLsr, index: Path, tmp_path: Path) -> None:
    outcome = lsr("snapshot", index, tmp_path)

    assert outcome.status == 2
    assert "exists already" in outcome.err


def test_a_snapshot_of_nothing(lsr: RunLsr, tmp_path: Path) -> None:
    outcome = lsr("snapshot", tmp_path / "nothing", tmp_path / "kept")

    assert outcome.status == 2
    assert f"{tmp_path / 'nothing'}" in outcome.err
    assert not (tmp_path / "kept").exists()


def test_a_restore_from_nothing_leaves_the_index_alone(
    lsr: RunLsr, index: Path, tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    before = tree_bytes(index)
    outcome = lsr("restore", tmp_path / "nothing", index)

    assert outcome.status == 2
    assert f"{tmp_path / 'nothing'}" in outcome.err
    assert tree_bytes(index) == before


@pytest.mark.parametrize("damage", ["manifest", "flipped", "cut", "missing"])
def test_a_damaged_snapshot_is_refused_by_the_name_of_its_file(
    lsr: RunLsr, index: Path, tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]], damage: str
) -> None:
    kept = tmp_path / "kept"
    lsr("snapshot", index, kept)
    before = tree_bytes(index)
    victim = kept / "manifest.json" if damage == "manifest" else next(kept.glob("segments/*/bm25.counts.arr"))
    raw = bytearray(victim.read_bytes())
    raw[len(raw) // 2] ^= 1
    victim.unlink()  # the index has the same file
    if damage != "missing":
        victim.write_bytes(raw[:-1] if damage == "cut" else raw)

    outcome = lsr("restore", kept, index)
    assert outcome.status == 2
    assert str(victim) in outcome.err
    assert tree_bytes(index) == before
    assert lsr("restore", kept, tmp_path / "elsewhere").status == 2
    assert lsr("info", tmp_path / "elsewhere").status == 2


def test_no_restore_while_somebody_writes(lsr: RunLsr, index: Path, tmp_path: Path) -> None:
    lsr("snapshot", index, tmp_path / "kept")
    with CollectionWriter.open(index):
        outcome = lsr("restore", tmp_path / "kept", index)

    assert outcome.status == 2
    assert str(index) in outcome.err


@pytest.mark.parametrize("form", ["jsonl", "npz", "anserini", "ciff"])
def test_exported_vectors_come_back_as_an_index(lsr: RunLsr, index: Path, tmp_path: Path, form: str) -> None:
    written = lsr("export", index, tmp_path / "out", "--format", form)
    assert written.status == 0, written.err
    assert "3 documents" in written.out

    again = lsr("import", tmp_path / "out", "-o", tmp_path / "again", "--format", form)
    assert again.status == 0, again.err
    pipeline = Pipeline.open(tmp_path / "again")
    answer = pipeline.search(SearchRequest(vectors={"learned": {"compress": 1.0}}))
    assert [hit.id for hit in answer.hits] == ["zip"]


def test_an_import_of_nothing_leaves_no_index_and_no_folder(
    lsr: RunLsr, index: Path, tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    before = tree_bytes(index)
    for place in (tmp_path / "again", index):
        outcome = lsr("import", tmp_path / "empty.jsonl", "-o", place, "--overwrite")
        assert outcome.status == 2
        assert f"{tmp_path / 'empty.jsonl'}: no documents" in outcome.err
    assert not (tmp_path / "again").exists()
    assert tree_bytes(index) == before


def test_an_imported_field_has_no_model_and_says_so(lsr: RunLsr, index: Path, tmp_path: Path) -> None:
    lsr("export", index, tmp_path / "out.jsonl")
    lsr("import", tmp_path / "out.jsonl", "-o", tmp_path / "again")
    outcome = lsr("search", tmp_path / "again", "compress")

    assert outcome.status == 2
    assert "no model" in outcome.err


def test_texts_cannot_be_added_to_imported_vectors(
    lsr: RunLsr, index: Path, documents: Path, tmp_path: Path
) -> None:
    lsr("export", index, tmp_path / "out.jsonl")
    lsr("import", tmp_path / "out.jsonl", "-o", tmp_path / "again")
    outcome = lsr("add", tmp_path / "again", documents)

    assert outcome.status == 2
    assert "vectors of the field learned were imported" in outcome.err
    assert "`lsr import --overwrite`" in outcome.err


@pytest.mark.parametrize(
    "arguments", [("export", "--levels", "9", "--format", "npz"), ("import", "--scale", "2", "--format", "npz")]
)
def test_options_that_a_form_has_no_use_for(
    lsr: RunLsr, index: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command, *rest = arguments
    places = (index, tmp_path / "out") if command == "export" else (tmp_path, "-o", tmp_path / "again")
    outcome = lsr(command, *places, *rest)

    assert outcome.status == 2
    assert "leave it out" in outcome.err


def test_an_upgrade_of_the_newest_format_says_that_there_is_nothing_to_do(lsr: RunLsr, index: Path) -> None:
    assert "nothing to do" in lsr("upgrade", index).out
    assert lsr("upgrade", index, "--json").json["before"] == lsr("info", index, "--json").json["format"]


def test_an_old_index_is_upgraded(lsr: RunLsr, tmp_path: Path) -> None:
    with zipfile.ZipFile(Path(__file__).parents[1] / "compat" / "index-0.zip") as archive:
        archive.extractall(tmp_path / "old")
    refused = lsr("info", tmp_path / "old")
    assert refused.status == 2
    assert f"lsr upgrade {tmp_path / 'old'}" in refused.err

    assert "in format 1 now, was 0; generation 3" in lsr("upgrade", tmp_path / "old").out
    assert lsr("info", tmp_path / "old").status == 0


def test_an_alias_is_made_shown_and_swapped(lsr: RunLsr, index: Path, tmp_path: Path) -> None:
    live, kept = tmp_path / "live", tmp_path / "kept"
    lsr("snapshot", index, kept)
    assert lsr("alias", live, index).out == f"{live} names {index}\n"
    assert lsr("search", live, "compress", "--json").json["hits"][0]["id"] == "zip"
    lsr("delete", live, "zip")
    assert lsr("info", index, "--json").json["documents"] == 2

    swapped = lsr("alias", live, kept, "--json").json
    assert (swapped["index"], swapped["before"]) == (str(kept), str(index))
    assert lsr("info", live, "--json").json["documents"] == 3
    assert lsr("alias", live).out == f"{live} names {kept}\n"
    assert lsr("alias", index, kept).status == lsr("alias", tmp_path / "nothing").status == 2


def test_a_collection_is_encoded_again_and_the_alias_goes_over(
    lsr: RunLsr, index: Path, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    lsr("alias", live, index)
    done = lsr("reencode", live, "-o", tmp_path / "new", "--model", "splade-tiny", "--alias", live, "--json")

    assert done.status == 0, done.err
    assert (done.json["documents"], done.json["replaced"]) == (3, str(index))
    assert [field["name"] for field in lsr("info", live, "--json").json["fields"]] == ["learned", "bm25"]
    assert lsr("search", live, "compress", "--json").json["hits"][0]["id"] == "zip"


def test_a_name_that_cannot_become_an_alias_is_refused_before_anything_is_encoded(
    lsr: RunLsr, index: Path, tmp_path: Path
) -> None:
    refused = lsr("reencode", index, "-o", tmp_path / "new", "--model", "splade-tiny", "--alias", index)

    assert refused.status == 2
    assert "something else has this name" in refused.err
    assert not list(tmp_path.glob("new*"))
