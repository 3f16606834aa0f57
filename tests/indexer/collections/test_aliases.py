"""Aliases: a name that goes over from one index to another while it is used."""

from __future__ import annotations

import threading

import pytest
from lsr.indexer.aliases import point, target
from lsr.indexer.collection import Collection
from lsr.indexer.locking import WriterLock
from lsr.indexer.snapshots import restore, snapshot
from lsr.indexer.storage import FileStorage
from lsr.indexer.upgrading import upgrade
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexExistsError, IndexLockedError, IndexNotFoundError, InvalidArgumentError


@pytest.fixture
def two(make_lab, tmp_path, doc):
    """An alias and two indexes with the same file names in them, but other documents."""
    first, second = make_lab(tmp_path / "first"), make_lab(tmp_path / "second")
    first.create([doc(f"a{at}", {0: 1.0 + at}, "x", {"of": "first"}) for at in range(3)])
    second.create([doc(f"b{at}", {0: 2.0 + at}, "y", {"of": "second"}) for at in range(3)])
    assert point(tmp_path / "live", first.path) is None
    return tmp_path / "live", first, second


def ids(collection):
    return [document.id for document in collection.all_documents()]


def test_readers_go_over_when_they_refresh_and_not_before(two):
    live, first, second = two
    before = Collection.open(live)
    assert before.refresh() is before
    assert point(live, second.path) == first.path
    assert target(live) == second.path
    assert ids(before) == ["a0", "a1", "a2"]
    assert before.get("a1").metadata == {"of": "first"}
    after = before.refresh()
    assert ids(after) == ["b0", "b1", "b2"]
    assert after.path == second.path
    assert first.answer(after, {0: 1.0}) == [("b2", 4.0), ("b1", 3.0), ("b0", 2.0)]
    assert ids(before) == ["a0", "a1", "a2"]
    assert after.refresh() is after


def test_nobody_ever_sees_a_mixture(two):
    live, first, second = two
    stop = threading.Event()
    seen: set[tuple[str, ...]] = set()

    def read():
        collection = Collection.open(live)
        while not stop.is_set():
            collection = collection.refresh()
            seen.add(tuple(ids(collection)))
            seen.add(tuple(ids(Collection.open(live))))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(40):
        point(live, second.path)
        point(live, first.path)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= {("a0", "a1", "a2"), ("b0", "b1", "b2")}


def test_writers_snapshots_restores_and_checks_take_an_alias(two, doc, tmp_path):
    live, first, second = two
    with CollectionWriter.open(live) as writer:
        first.add(writer, [doc("a9", {0: 9.0}, "x")])
        with pytest.raises(IndexLockedError, match="another process is writing"):
            point(live, second.path)
        writer.commit()
    assert ids(first.read()) == ["a0", "a1", "a2", "a9"]
    snapshot(live, tmp_path / "kept")
    assert not (tmp_path / "kept").is_symlink()
    restore(second.path, live)
    assert ids(first.read()) == ["b0", "b1", "b2"]
    assert verify_index(live, full=True).sound
    assert upgrade(live).generation == first.read().generation


def test_who_came_by_an_alias_writes_where_it_points_once_the_lock_is_held(two, doc, monkeypatch):
    """The alias is swapped after it was followed and before its index was locked."""
    live, first, second = two
    swaps = [lambda: point(live, second.path)]

    def late(folder):
        while swaps:
            swaps.pop()()
        return WriterLock(folder)

    monkeypatch.setattr("lsr.indexer.aliases.WriterLock", late)
    with CollectionWriter.open(live) as writer:
        second.add(writer, [doc("b9", {0: 9.0}, "y")])
        writer.commit()
    assert ids(Collection.open(live)) == ["b0", "b1", "b2", "b9"]
    assert ids(first.read()) == ["a0", "a1", "a2"]


def test_two_swaps_at_the_same_moment_turn_away_one_index_after_the_other(
    two, make_lab, tmp_path, doc, monkeypatch
):
    live, _, second = two
    third = make_lab(tmp_path / "third")
    third.create([doc("c0", {0: 1.0}, "z")])
    swaps = [lambda: point(live, third.path)]

    def late(folder):
        while swaps:
            swaps.pop()()
        return WriterLock(folder)

    monkeypatch.setattr("lsr.indexer.aliases.WriterLock", late)
    assert point(live, second.path) == third.path  # and not the first, which it named at the beginning
    assert target(live) == second.path


def test_swaps_by_several_at_once_all_succeed(two, tmp_path):
    """Of a name that is free, so that no lock keeps them apart; the last one wins."""
    _, first, second = two
    errors = []

    def swap(index):
        for at in range(100):
            try:
                FileStorage().point(tmp_path / f"new-{at}", index.path)
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=swap, args=[index]) for index in (first, second, first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {target(tmp_path / f"new-{at}") for at in range(100)} <= {first.path, second.path}
    assert not list(tmp_path.glob(".new-*"))


def test_an_alias_that_has_no_folder_is_told(two, tmp_path):
    live, first, _ = two
    with pytest.raises(InvalidArgumentError, match=r"no folder .*missing to hold the alias"):
        point(tmp_path / "missing" / "live", first.path)
    assert target(live) == first.path


def test_an_alias_moves_with_its_folder(two, tmp_path):
    """Its target is kept relative to it."""
    live, *_ = two
    tmp_path.rename(tmp_path.with_name("moved"))
    moved = tmp_path.with_name("moved") / "live"
    assert ids(Collection.open(moved)) == ["a0", "a1", "a2"]
    tmp_path.with_name("moved").rename(tmp_path)
    assert not live.readlink().is_absolute()


def test_what_cannot_be_an_alias_says_why(two, tmp_path):
    live, first, _ = two
    with pytest.raises(IndexNotFoundError, match="no index here"):
        point(live, tmp_path / "nowhere")
    with pytest.raises(IndexExistsError, match="something else has this name"):
        point(first.path, first.path)
    with pytest.raises(IndexNotFoundError, match=r"is a folder of its own, not an alias.*lsr alias"):
        target(first.path)
    with pytest.raises(IndexNotFoundError, match="is not there, not an alias"):
        target(tmp_path / "nothing")


def test_an_alias_whose_index_is_gone_can_be_pointed_elsewhere(two):
    live, first, second = two
    first.path.rename(first.path.with_name("away"))
    with pytest.raises(IndexNotFoundError):
        Collection.open(live)
    point(live, second.path)
    assert ids(Collection.open(live)) == ["b0", "b1", "b2"]


@pytest.mark.parametrize("use", [Collection.open, CollectionWriter.open, target, verify_index])
def test_links_in_a_circle_are_told_as_such(tmp_path, use):
    (tmp_path / "live").symlink_to("live")
    with pytest.raises(IndexNotFoundError, match=r"live: links that lead in a circle.*`lsr alias .*live INDEX"):
        use(tmp_path / "live")


def test_links_in_a_circle_can_be_pointed_at_an_index(two, tmp_path):
    _, first, _ = two
    (tmp_path / "circle").symlink_to("circle")
    assert point(tmp_path / "circle", first.path) is None
    assert target(tmp_path / "circle") == first.path


def test_a_folder_of_other_files_that_a_link_named_stays_as_it_is(two, tmp_path):
    _, first, _ = two
    (tmp_path / "papers").mkdir()
    (tmp_path / "link").symlink_to("papers")
    assert point(tmp_path / "link", first.path) == tmp_path / "papers"
    assert list((tmp_path / "papers").iterdir()) == []


def test_an_index_that_was_never_made_cannot_be_locked(two, tmp_path):
    _, first, _ = two
    for place in (tmp_path / "nowhere", first.path / "manifest.json"):
        with pytest.raises(IndexNotFoundError, match=r": no index here\. Check the path"):
            WriterLock(place)
    assert not (tmp_path / "nowhere").exists()


def test_a_swap_that_fails_leaves_the_alias(two):
    live, first, second = two

    class Refusing(FileStorage):
        def point(self, alias, target):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        point(live, second.path, storage=Refusing())
    assert target(live) == first.path
    point(live, second.path)
