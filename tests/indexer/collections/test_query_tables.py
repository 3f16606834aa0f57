"""A table of query weights is kept with its field, through whatever happens to the index."""

from __future__ import annotations

import pytest
from lsr.indexer.fields import FieldSpec, QueryTable
from lsr.indexer.manifest import read_manifest
from lsr.indexer.snapshots import restore, snapshot
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexCorruptError, InvalidArgumentError

TABLE = QueryTable("idf für alle.json", b'{"t1": 0.5, "t2": 2.0}')


@pytest.fixture
def index(lab, doc):
    lab.create([doc(f"d{at}", {at % 3: 1.0 + at}, "w") for at in range(9)], fields={"query_table": TABLE})
    return lab


def file_of(lab):
    return read_manifest(lab.path).field("learned").query_table


def test_a_table_comes_back_as_it_was_given(index):
    assert index.read().query_table("learned") == TABLE
    assert index.read().query_table("bm25") is None
    assert verify_index(index.path, full=True).sound


def test_an_index_without_one_has_none(lab, doc):
    lab.create([doc("d", {0: 1.0})])
    assert lab.read().query_table("learned") is None


def test_it_is_written_once_and_stays(index, doc):
    first = file_of(index)
    with index.open() as writer:
        index.add(writer, [doc("d1", {0: 5.0}), doc("late", {1: 5.0})])
        writer.commit()
        writer.merge(full=True)
        writer.record("note", 1)
    assert file_of(index) == first
    assert index.read().query_table("learned") == TABLE


def test_snapshots_and_restored_indexes_have_it(index, doc, make_lab, tmp_path):
    snapshot(index.path, tmp_path / "kept")
    assert make_lab(tmp_path / "kept").read().query_table("learned") == TABLE
    reader = index.read()
    restore(tmp_path / "kept", index.path)
    restore(tmp_path / "kept", tmp_path / "new")
    for lab in (index, make_lab(tmp_path / "new")):
        assert lab.read().query_table("learned") == TABLE
        assert verify_index(lab.path, full=True).sound
    assert reader.query_table("learned") == TABLE  # of files that are gone


def test_a_resumed_build_has_it(lab, doc):
    fields = lab.fields(query_table=TABLE)
    with (
        pytest.raises(KeyboardInterrupt),
        CollectionWriter.create(lab.path, fields, source={"sha256": "12"}) as writer,
    ):
        lab.add(writer, [doc("d1", {0: 1.0})])
        raise KeyboardInterrupt
    with CollectionWriter.create(lab.path, fields, source={"sha256": "12"}, resume=True) as writer:
        assert writer.records_done == 1
        writer.commit()
    assert lab.read().query_table("learned") == TABLE


def test_every_flipped_byte_is_named(index):
    name = file_of(index).path
    sound = (index.path / name).read_bytes()
    for at in range(len(sound)):
        (index.path / name).write_bytes(sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :])
        assert verify_index(index.path, full=True).bad_files == [name]
        if 64 <= at < len(sound) - 64:
            with pytest.raises(IndexCorruptError, match=r"learned\.query-table\.arr"):
                index.read().query_table("learned")


def test_a_counted_field_has_no_table():
    with pytest.raises(InvalidArgumentError, match="goes with an encoded field"):
        FieldSpec("bm25", "counted", query_table=TABLE)
