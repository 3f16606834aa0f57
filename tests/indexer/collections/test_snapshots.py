from __future__ import annotations

import shutil

import pytest
from lsr.indexer.manifest import read_manifest
from lsr.indexer.snapshots import restore, snapshot
from lsr.indexer.storage import FileStorage
from lsr.indexer.verify import verify_index

from lsr.errors import (
    IndexCorruptError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidArgumentError,
)

QUERY = {0: 1.0, 1: 0.5, 2: 2.0}


@pytest.fixture
def index(lab, doc):
    lab.create([doc(f"d{at}", {at % 3: 1.0 + at}, f"w{at % 4} w", {"n": at}) for at in range(20)])
    with lab.open() as writer:
        lab.add(writer, [doc("d3", {0: 50.0}, "new"), doc("d30", {1: 2.0}, "w1 newer")])
        writer.delete(["d4"])
        writer.commit()
    return lab


def changed(lab, doc):
    with lab.open() as writer:
        lab.add(writer, [doc("late", {0: 99.0}, "late")])
        writer.delete(["d5", "d6"])
        writer.commit()
        writer.merge(full=True)


@pytest.mark.parametrize("inside", ["kept", "segments/kept"])
def test_a_snapshot_inside_its_index_is_refused(index, inside):
    with pytest.raises(InvalidArgumentError, match=r"lies inside the index.*choose a place beside it"):
        snapshot(index.path, index.path / inside)
    assert not (index.path / inside).exists()


def test_a_snapshot_is_an_index_of_links(index, doc, make_lab, tmp_path):
    before = index.answer(index.read(), QUERY, "w1 newer")
    assert snapshot(index.path, tmp_path / "kept") == 2
    kept = make_lab(tmp_path / "kept")
    changed(index, doc)
    assert kept.answer(kept.read(), QUERY, "w1 newer") == before
    assert index.answer(index.read(), QUERY, "w1 newer") != before
    assert verify_index(kept.path, full=True).sound
    with kept.open() as writer:
        kept.add(writer, [doc("own", {0: 3.0}, "own")])
        writer.commit()


def test_a_link_to_nothing_is_no_place_for_a_snapshot(index, tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(IndexExistsError, match=r"link: a link of this name is in the way, and nothing"):
        snapshot(index.path, tmp_path / "link")
    assert not list(tmp_path.glob("*.partial"))


def test_a_restore_through_a_link_to_nothing_puts_the_index_where_it_points(index, tmp_path):
    """An alias whose index was lost: what restore is for."""
    (tmp_path / "live").symlink_to("lost")
    restore(index.path, tmp_path / "live")
    assert (tmp_path / "live").is_symlink()
    assert read_manifest(tmp_path / "lost").segments


def test_links_cost_nothing(index, tmp_path):
    snapshot(index.path, tmp_path / "kept")
    for file in (tmp_path / "kept").glob("*/*/*"):
        assert file.stat().st_nlink == 2


def test_a_snapshot_comes_back(index, doc, tmp_path):
    before = index.answer(index.read(), QUERY, "w1 newer")
    snapshot(index.path, tmp_path / "kept")
    changed(index, doc)
    reader = index.read()
    late = index.answer(reader, QUERY)
    generation = restore(tmp_path / "kept", index.path)
    assert generation > reader.generation
    assert index.answer(reader, QUERY) == late
    after = reader.refresh()
    assert index.answer(after, QUERY, "w1 newer") == before
    assert index.answer(after, QUERY, filter="n < 3") == [
        hit for hit in index.answer(after, QUERY) if hit[0] in ("d0", "d1", "d2")
    ]
    assert verify_index(index.path, full=True).sound
    changed(index, doc)
    assert index.read().number_of("late") > reader.number_of("late")


@pytest.mark.parametrize("damage", ["missing", "manifest", "file"])
def test_a_damaged_index_is_restored(index, doc, tmp_path, damage):
    before = index.answer(index.read(), QUERY)
    snapshot(index.path, tmp_path / "kept")
    if damage == "missing":
        shutil.rmtree(index.path)
    elif damage == "manifest":
        (index.path / "manifest.json").write_text("{")
    else:
        next(index.path.glob("segments/*/numbers.arr")).unlink()
    restore(tmp_path / "kept", index.path)
    assert index.answer(index.read(), QUERY) == before
    assert verify_index(index.path, full=True).sound


def test_a_folder_of_other_files_is_not_restored_into(index, tmp_path):
    """Its commits/ and segments/ would be swept with the first commit."""
    theirs = tmp_path / "project" / "commits" / "notes.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    (tmp_path / "project" / "README").write_text("not an index")
    with pytest.raises(IndexExistsError, match="holds 'README', which does not belong to an index"):
        restore(index.path, tmp_path / "project")
    assert theirs.read_text() == "mine"
    with pytest.raises(IndexExistsError, match="README: a file of this name is in the way"):
        restore(index.path, tmp_path / "project" / "README")


def test_what_cannot_be_done_changes_nothing(index, doc, tmp_path):
    before = index.answer(index.read(), QUERY)
    with pytest.raises(IndexNotFoundError):
        snapshot(tmp_path / "nothing", tmp_path / "kept2")
    snapshot(index.path, tmp_path / "kept")
    with pytest.raises(IndexExistsError, match="kept: exists already"):
        snapshot(index.path, tmp_path / "kept")
    with index.open(), pytest.raises(IndexLockedError):
        restore(tmp_path / "kept", index.path)
    victim = next((tmp_path / "kept").glob("segments/*/learned.weights.arr"))
    damaged = victim.read_bytes()[:-1]
    victim.unlink()  # the index has the same file
    victim.write_bytes(damaged)
    with pytest.raises(IndexCorruptError, match=r"learned.weights.arr: .*Nothing was restored; take another"):
        restore(tmp_path / "kept", index.path)
    assert index.answer(index.read(), QUERY) == before


@pytest.fixture
def overtaken(index, doc):
    """A storage whose first link comes too late: a writer commits, merges and sweeps just before it."""

    class Overtaken(FileStorage):
        pending = True

        def link(self, source, target):
            if self.pending:
                self.pending = False
                changed(index, doc)
            super().link(source, target)

    return Overtaken()


def test_a_writer_may_commit_while_a_snapshot_is_taken(index, tmp_path, overtaken):
    generation = snapshot(index.path, tmp_path / "kept", storage=overtaken)
    assert generation == index.read().generation
    assert verify_index(tmp_path / "kept", full=True).sound


@pytest.mark.parametrize("present", [False, True], ids=["new", "over another"])
def test_a_writer_may_commit_while_its_index_is_restored_elsewhere(
    index, doc, make_lab, tmp_path, overtaken, present
):
    copy = make_lab(tmp_path / "copy")
    if present:
        copy.create([doc("other", {0: 1.0}, "other")])
    restore(index.path, copy.path, storage=overtaken)
    assert copy.answer(copy.read(), QUERY, "w1 newer") == index.answer(index.read(), QUERY, "w1 newer")
    assert copy.read().number_of("late") == index.read().number_of("late")
    assert verify_index(copy.path, full=True).sound
    named = {file.path for file in read_manifest(copy.path).files()}
    there = {str(path.relative_to(copy.path)) for path in copy.path.glob("*/*/*")}
    assert there == named


def test_commits_that_always_come_first_end_a_snapshot(index, doc, tmp_path):
    class AlwaysOvertaken(FileStorage):
        def link(self, source, target):
            changed(index, doc)
            super().link(source, target)

    with pytest.raises(IndexLockedError, match=r"written to faster than its files can be read: 20 generations"):
        snapshot(index.path, tmp_path / "kept", storage=AlwaysOvertaken())
    assert not list(tmp_path.glob("kept*"))
    assert verify_index(index.path, full=True).sound


def test_a_file_that_vanished_from_a_source_is_named(index, tmp_path):
    class Losing(FileStorage):
        def link(self, source, target):
            source.unlink(missing_ok=True)
            super().link(source, target)

    with pytest.raises(IndexCorruptError, match=r"names this file, but it is missing.*lsr verify"):
        restore(index.path, tmp_path / "copy", storage=Losing())
    assert not (tmp_path / "copy" / "manifest.json").exists()
