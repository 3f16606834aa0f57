"""Staged changes: kept on disk, seen by nobody, committed all at once."""

from __future__ import annotations

import shutil

import pytest
from lsr.indexer.arrays import open_array, write_array
from lsr.indexer.checksums import sealed, unsealed
from lsr.indexer.snapshots import restore, snapshot
from lsr.indexer.staging import discard_staged, read_staged
from lsr.indexer.storage import FileStorage
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexCorruptError, InputError, InvalidArgumentError, UnfinishedBuildError

QUERY = dict.fromkeys(range(12), 1.0)


def contents(collection):
    return {document.id: document.text for document in collection.all_documents()}


@pytest.fixture
def staged(lab, doc):
    """Two stages by two writers over four documents: b replaced, e and f added, a and f deleted again."""
    lab.create([doc(name, {at: 1.0}, f"first {name}") for at, name in enumerate("abcd")])
    with lab.open() as writer:
        lab.add(writer, [doc("b", {5: 2.0}, "second b"), doc("f", {6: 1.0}, "second f")])
        writer.stage()
    with lab.open() as writer:
        lab.add(writer, [doc("e", {7: 1.0}, "unseen word e")])
        writer.delete(["a", "f"])
        writer.stage()
    return lab


FOUND = {"b": "second b", "c": "first c", "d": "first d", "e": "unseen word e"}


def test_nothing_is_seen_before_the_commit_and_all_of_it_after(staged, doc, make_lab, tmp_path):
    assert contents(staged.read()) == {name: f"first {name}" for name in "abcd"}
    waiting = read_staged(staged.path, 1)
    assert (waiting.added, waiting.removed) == (2, 2)
    with staged.open() as writer:
        assert (writer.n_documents, writer.commit()) == (4, 2)
        assert writer.staged is None
    assert contents(staged.read()) == FOUND
    assert not (staged.path / "building").exists()
    assert verify_index(staged.path, full=True).problems == []
    fresh = make_lab(tmp_path / "fresh")
    docs = [doc("c", {2: 1.0}, "first c"), doc("d", {3: 1.0}, "first d"), doc("b", {5: 2.0}, "second b")]
    fresh.create([*docs, doc("e", {7: 1.0}, "unseen word e")])
    assert staged.answer(staged.read(), QUERY) == fresh.answer(fresh.read(), QUERY)


def test_a_writer_that_fails_leaves_the_stage_as_it_was(staged, doc):
    with pytest.raises(InputError, match="broken"), staged.open() as writer:
        staged.add(writer, [doc("g", {1: 1.0}, "g")])
        writer.delete(["c"])
        raise InputError("broken")
    with staged.open() as writer:
        staged.add(writer, [doc("h", {1: 1.0}, "h")])
        writer.checkpoint()  # neither staged nor committed
    with staged.open() as writer:
        writer.commit()
    assert contents(staged.read()) == FOUND


def test_discarded_changes_are_gone(staged):
    gone = discard_staged(staged.path)
    assert (gone.added, gone.removed) == (2, 2)
    assert discard_staged(staged.path) is None
    with staged.open() as writer:
        assert writer.commit() == 1
    assert contents(staged.read()) == {name: f"first {name}" for name in "abcd"}


def test_a_stage_ends_with_its_generation(staged, tmp_path):
    snapshot(staged.path, tmp_path / "kept")
    restore(tmp_path / "kept", staged.path)
    with staged.open() as writer:
        assert writer.staged is None
        assert writer.commit() == 2


def test_a_stage_ends_when_an_index_that_cannot_be_read_is_restored(lab, doc, tmp_path):
    """The generation that the restore makes may have the number of the one that was lost."""
    lab.create([doc("a", {0: 1.0}, "x"), doc("b", {1: 1.0}, "x")])
    snapshot(lab.path, tmp_path / "kept")
    with lab.open() as writer:
        lab.add(writer, [doc("c", {2: 1.0}, "x")])
        writer.commit()
        lab.add(writer, [doc("a", {3: 1.0}, "x")])
        writer.stage()
    (lab.path / "manifest.json").write_text("{")
    assert restore(tmp_path / "kept", lab.path) == 2
    with lab.open() as writer:
        assert writer.staged is None
        assert writer.commit() == 2
    assert contents(lab.read()) == dict.fromkeys("ab", "x")
    assert verify_index(lab.path, full=True).problems == []


def test_a_merge_waits_for_the_commit(staged):
    with staged.open() as writer:
        with pytest.raises(InvalidArgumentError, match=r"changes are staged; run `lsr commit`"):
            writer.merge()
        writer.commit()
        writer.merge(full=True)
    assert contents(staged.read()) == FOUND


def test_a_stage_waits_for_the_merge(lab, doc):
    """What is staged belongs to a generation, and the merge makes another one."""
    lab.create([doc("a", {0: 1.0}, "x")])
    with lab.open() as writer:
        lab.add(writer, [doc("b", {1: 1.0}, "x")])
        writer.commit()
        merge = writer.begin_merge()
        lab.add(writer, [doc("c", {2: 1.0}, "x")])
        with pytest.raises(InvalidArgumentError, match="a merge is running; finish or abandon it"):
            writer.stage()
        merge.run()
        writer.finish_merge(merge)
        writer.stage()
    with lab.open() as writer:
        writer.commit()
    assert contents(lab.read()) == dict.fromkeys("abc", "x")


def test_staging_is_for_an_index_that_exists(lab, doc):
    with (
        pytest.raises(InvalidArgumentError, match="a build keeps its work by itself"),
        CollectionWriter.create(lab.path, lab.fields()) as writer,
    ):
        writer.stage()


def test_an_unfinished_build_is_not_undone_by_changes(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    with lab.open() as writer:
        lab.add(writer, [doc("z", {0: 1.0}, "x")])
        writer.commit()
    build = {"source": {"path": "x"}, "overwrite": True}
    with CollectionWriter.create(lab.path, lab.fields(), **build) as writer:
        lab.add(writer, [doc("b", {0: 1.0}, "x")])
        writer.checkpoint()
        writer.close()
    for change in (
        lambda writer: lab.add(writer, [doc("c", {0: 1.0}, "x")]),
        lambda writer: writer.delete(["a"]),
        lambda writer: writer.stage(),
        lambda writer: writer.merge(),
        lambda writer: writer.record("fast", []),
    ):
        refused = "an unfinished build is in the way.* `--resume`, or give it up by removing .*building"
        with pytest.raises(UnfinishedBuildError, match=refused), lab.open() as writer:
            change(writer)
    with CollectionWriter.create(lab.path, lab.fields(), **build, resume=True) as writer:
        assert writer.records_done == 1


def test_a_build_that_was_committed_but_not_cleared_away_is_in_nobodys_way(lab, doc, tmp_path):
    """As a kill between the two leaves it."""
    with CollectionWriter.create(lab.path, lab.fields(), source={"path": "x"}) as writer:
        lab.add(writer, [doc("a", {0: 1.0}, "x")])
        writer.checkpoint()
        shutil.copytree(lab.path / "building", tmp_path / "kept")
        writer.commit()
    (tmp_path / "kept").rename(lab.path / "building")
    with lab.open() as writer:
        lab.add(writer, [doc("b", {1: 1.0}, "y")])
        writer.stage()
    with lab.open() as writer:
        writer.commit()
    assert [each.id for each in lab.read().all_documents()] == ["a", "b"]


@pytest.mark.parametrize(
    "name", ["staged.json", "000000/learned.terms.arr", "staged-000002/segment-00000001.arr"]
)
def test_damage_is_named_with_the_way_out(staged, name):
    path = staged.path / "building" / name
    path.write_bytes(path.read_bytes()[:-70] + b"?" * 70)
    with pytest.raises(IndexCorruptError, match=rf"{name}.*lsr commit --discard"):
        staged.open()
    assert contents(staged.read()) == {name: f"first {name}" for name in "abcd"}
    discard_staged(staged.path)
    staged.open().close()


def test_another_number_in_the_list_of_what_is_staged_is_damage(staged):
    path = staged.path / "building/staged.json"
    assert '"first_number": 4' in path.read_text()
    path.write_text(path.read_text().replace('"first_number": 4', '"first_number": 5'))
    with pytest.raises(IndexCorruptError, match=r"staged.json.*checksum.*lsr commit --discard"):
        staged.open()


def test_rows_outside_their_arrays_are_damage_even_if_all_checksums_fit(staged):
    path, naming = staged.path / "building/000000/bm25.indptr.arr", staged.path / "building/staged.json"
    checksum = write_array(FileStorage(), path, open_array(path)[::-1].copy())
    body = unsealed(naming.read_bytes())
    [entry] = [file for file in body["shards"][0]["files"] if file["path"] == "000000/bm25.indptr.arr"]
    entry["checksum"] = checksum
    naming.write_bytes(sealed(body))
    with pytest.raises(IndexCorruptError, match=r"bm25\.indptr\.arr: its rows"), staged.open() as writer:
        writer.commit()


class Stopped(BaseException):
    """Nothing may catch it."""


class StoppingStorage(FileStorage):
    """Ends the process, as it were, at one step."""

    def __init__(self, at):
        self.at, self.steps = at, 0

    def __getattribute__(self, name):
        if name in ("make_folder", "create", "rename", "sync_folder", "remove"):
            self.steps += 1
            if self.steps == self.at:
                raise Stopped
        return super().__getattribute__(name)


def test_whenever_staging_stops_the_stage_before_or_the_new_one_is_there(staged, doc, tmp_path):
    shutil.copytree(staged.path, tmp_path / "base")
    at, stopped = 0, True
    while stopped:
        at += 1
        shutil.rmtree(staged.path)
        shutil.copytree(tmp_path / "base", staged.path)
        writer = staged.open(storage=StoppingStorage(at + 1))  # opening sweeps: one step
        try:
            staged.add(writer, [doc("g", {1: 1.0}, "third g")])
            writer.delete(["c"])
            writer.stage()
            stopped = False
        except Stopped:
            pass
        writer._lock.release()
        with staged.open() as writer:
            writer.commit()
        newer = {name: text for name, text in FOUND.items() if name != "c"} | {"g": "third g"}
        assert contents(staged.read()) in ([newer] if not stopped else [FOUND, newer]), at
        assert verify_index(staged.path, full=True, samples=2).problems == []
    assert at > 20
