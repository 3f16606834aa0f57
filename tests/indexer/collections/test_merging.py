from __future__ import annotations

import threading
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer import sweeping
from lsr.indexer.verify import verify_index

from lsr.errors import IndexCorruptError, InvalidArgumentError

QUERY = {term: 0.5 + term for term in range(12)}
WORDS = "w0 w1 w2 w3 w4"


def some(doc, ids, weight=1.0):
    return [
        doc(f"d{at}", {at % 12: weight + at, (at * 7) % 12: 0.25}, f"w{at % 5} w{at % 3} common") for at in ids
    ]


def added(lab, docs):
    with lab.open() as writer:
        lab.add(writer, docs)
        return writer.commit()


def test_a_merge_joins_small_segments_and_keeps_answers(lab, doc):
    lab.create(some(doc, range(10)))
    for start in range(10, 40, 5):
        added(lab, some(doc, range(start, start + 5)))
    before = lab.read()
    with lab.open() as writer:
        generation = writer.merge()
    after = lab.read()
    assert (before.n_segments, after.generation) == (7, generation)
    assert after.n_segments < 3
    assert lab.answer(after, QUERY, WORDS) == lab.answer(before, QUERY, WORDS)
    assert len(list((lab.path / "segments").iterdir())) == after.n_segments
    assert verify_index(lab.path, full=True).sound
    assert lab.answer(before, QUERY, WORDS) == lab.answer(after, QUERY, WORDS)


def test_a_large_segment_is_left_alone(lab, doc):
    lab.create(some(doc, range(100)))
    added(lab, some(doc, range(100, 103)))
    with lab.open() as writer:
        assert writer.merge() == 2
    added(lab, some(doc, range(103, 110)))
    with lab.open() as writer:
        writer.merge()
    assert [entry.n_documents for entry in lab.read().manifest.segments] == [100, 10]


def test_a_mostly_dead_segment_gives_its_space_back(lab, doc):
    lab.create(some(doc, range(100)))
    before = lab.read().size_bytes
    with lab.open() as writer:
        writer.delete([f"d{at}" for at in range(60)])
        writer.commit()
        writer.merge()
    collection = lab.read()
    assert (collection.n_documents, collection.n_deleted) == (40, 0)
    assert collection.size_bytes < before
    assert len(list((lab.path / "commits").iterdir())) == 1  # the vocabularies


def test_a_full_merge_takes_the_average_length_anew(lab, doc, make_lab, tmp_path):
    lab.create([doc("a", {0: 1.0}, "x y"), doc("b", {1: 1.0}, "x")])
    added(lab, [doc("c", {2: 1.0}, "z z z z z z z")])
    assert lab.read().field("bm25").average_length == 1.5
    with lab.open() as writer:
        writer.merge(full=True)
        assert writer.merge(full=True) == 3
    collection = lab.read()
    assert collection.field("bm25").average_length == pytest.approx(10 / 3)
    assert len(collection.manifest.field("bm25").vocabulary_files) == 1
    fresh = make_lab(tmp_path / "fresh")
    fresh.create([doc("a", {0: 1.0}, "x y"), doc("b", {1: 1.0}, "x"), doc("c", {2: 1.0}, "z z z z z z z")])
    assert lab.answer(collection, {}, "x z") == fresh.answer(fresh.read(), {}, "x z")


def test_full_merges_keep_to_the_memory(lab, doc):
    lab.create(some(doc, range(30)))
    added(lab, some(doc, range(30, 60)))
    with lab.open(memory=16 * 100) as writer:
        writer.merge(full=True)
    collection = lab.read()
    assert collection.n_segments == 2
    assert collection.n_documents == 60


@pytest.mark.parametrize("full", [False, True])
def test_what_happens_during_a_merge_is_not_lost(lab, doc, make_lab, tmp_path, full):
    lab.create(some(doc, range(20)))
    added(lab, some(doc, range(20, 35)))
    with lab.open() as writer:
        merge = writer.begin_merge(full=full)
        worker = threading.Thread(target=merge.run)
        worker.start()
        writer.delete(["d1", "d21"])
        lab.add(writer, some(doc, [2, 99], weight=7.0))
        writer.commit()
        writer.delete(["d3"])  # not committed when the merge is
        worker.join()
        writer.finish_merge(merge)
        between = lab.read()
        assert between.number_of("d3") is not None
        assert between.number_of("d1") is None
        assert verify_index(lab.path, full=True).sound
        writer.commit()
    survivors = [at for at in range(35) if at not in (1, 2, 3, 21)]
    fresh = make_lab(tmp_path / "fresh")
    fresh.create(some(doc, survivors) + some(doc, [2, 99], weight=7.0))
    assert lab.answer(lab.read(), QUERY) == fresh.answer(fresh.read(), QUERY)
    assert verify_index(lab.path, full=True).sound


@pytest.mark.parametrize("full", [False, True])
def test_a_merge_leaves_changes_that_wait_for_their_commit(lab, doc, full):
    lab.create(some(doc, range(10)))
    added(lab, some(doc, range(10, 15)))
    with lab.open() as writer:
        writer.delete(["d1", "d11"])
        lab.add(writer, some(doc, [2], weight=7.0))
        writer.merge(full=full)
        between = lab.read()
        assert between.generation == 3
        assert [each.id for each in between.all_documents()] == [f"d{at}" for at in range(15)]
        assert verify_index(lab.path, full=True).sound
        writer.commit()
    left = [f"d{at}" for at in range(15) if at not in (1, 2, 11)]
    assert [each.id for each in lab.read().all_documents()] == [*left, "d2"]


def test_a_segment_that_dies_during_its_merge(lab, doc):
    lab.create(some(doc, range(5)))
    added(lab, some(doc, range(5, 8)))
    with lab.open() as writer:
        merge = writer.begin_merge()
        merge.run()
        writer.delete([f"d{at}" for at in range(5)])
        writer.commit()
        writer.finish_merge(merge)
    assert sorted(name for name, _ in lab.answer(lab.read(), QUERY)) == ["d5", "d6", "d7"]


def test_a_segment_begun_while_a_commit_sweeps_is_kept(lab, doc):
    """As a merge in another thread may: between two steps of the sweep."""
    lab.create(some(doc, range(5)))
    added(lab, some(doc, range(5, 8)))
    listed = sweeping._listed
    with lab.open() as writer:
        merge = writer.begin_merge()

        def late(folder):
            if folder.name == "segments" and not merge.done:
                merge.run()
            return listed(folder)

        writer.delete(["d1"])
        with patch("lsr.indexer.sweeping._listed", late):
            writer.commit()
        assert merge.done
        writer.finish_merge(merge)
    assert verify_index(lab.path, full=True).problems == []
    assert lab.read().n_documents == 7


def test_merges_go_one_at_a_time_and_can_be_abandoned(lab, doc):
    lab.create(some(doc, range(5)))
    added(lab, some(doc, range(5, 8)))
    with lab.open() as writer:
        merge = writer.begin_merge()
        with pytest.raises(InvalidArgumentError, match="a merge is running already"):
            writer.begin_merge()
        with pytest.raises(InvalidArgumentError, match="has not been run"):
            writer.finish_merge(merge)
        merge.run()
        writer.abandon_merge(merge)
        assert len(list((lab.path / "segments").iterdir())) == 2
        with pytest.raises(InvalidArgumentError, match="is over already"):
            writer.finish_merge(merge)


ids = st.integers(0, 14)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(ids, min_size=1, max_size=5, unique=True), st.integers(1, 3)),
        st.tuples(st.just("delete"), st.lists(ids, min_size=1, max_size=5), st.none()),
        st.tuples(st.sampled_from(["commit", "merge", "full", "checkpoint", "reopen"]), st.none(), st.none()),
    ),
    max_size=14,
)


@pytest.mark.parametrize("storage", ["float32", "float16", "uint8"])
@given(steps=operations)
@settings(max_examples=25, deadline=None)
def test_any_updates_equal_a_fresh_build(storage, steps, doc, make_lab, tmp_path_factory):
    """Of the documents in the order of their last write: given the same recorded average length, and after a
    full merge whatever it was. BM25 weights are added in the order of a vocabulary, so rounding may differ.
    """
    fields = {"storage": storage, "scale": 0.1 if storage == "uint8" else None}
    folder = tmp_path_factory.mktemp("updates")
    lab, fresh = make_lab(folder / "index"), make_lab(folder / "fresh")
    lab.create([], fields=fields)
    survivors: dict[str, object] = {}
    writer = lab.open()
    for step, chosen, weight in steps:
        if step == "add":
            docs = some(doc, chosen, weight=float(weight))
            lab.add(writer, docs)
            for each in docs:
                survivors.pop(each.id, None)
                survivors[each.id] = each
        elif step == "delete":
            wanted = {f"d{at}" for at in chosen}
            assert writer.delete(sorted(wanted)) == len(wanted & survivors.keys())
            survivors = {name: each for name, each in survivors.items() if name not in wanted}
        elif step == "reopen":
            writer.commit()
            writer.close()
            writer = lab.open()
        elif step in ("merge", "full"):
            writer.merge(full=step == "full")
        else:
            getattr(writer, step)()
    assert writer.n_documents == len(survivors)
    writer.commit()
    writer.close()
    recorded = lab.read().field("bm25").average_length
    with patch("lsr.indexer.committing.average_length", lambda *_: recorded):
        fresh.create(list(survivors.values()), fields=fields)
    require_same(lab, fresh, survivors)
    with lab.open() as writer:
        writer.merge(full=True)
    fresh.create(list(survivors.values()), fields=fields, overwrite=True)
    require_same(lab, fresh, survivors)


def require_same(lab, fresh, survivors):
    ours, theirs = lab.read(), fresh.read()
    assert lab.answer(ours, QUERY) == fresh.answer(theirs, QUERY)
    words, expected = (dict(each.answer(c, {}, WORDS)) for each, c in ((lab, ours), (fresh, theirs)))
    assert words == pytest.approx(expected, rel=1e-6)
    assert [each.id for each in ours.all_documents()] == list(survivors)
    assert verify_index(lab.path, full=True, samples=3).problems == []


@pytest.mark.parametrize("pattern", ["segments/*1/documents.sqlite", "segments/*1/learned.weights.arr"])
def test_damage_is_not_merged_into_files_whose_checksums_fit(pattern, lab, doc):
    lab.create(some(doc, range(10)))
    added(lab, some(doc, range(10, 15)))
    flip(lab.path, pattern)
    with lab.open() as writer:
        with pytest.raises(IndexCorruptError, match=r"checksum.*Nothing was merged\. Restore"):
            writer.merge()
        assert len(list((lab.path / "segments").iterdir())) == 2
        lab.add(writer, some(doc, [99]))
        assert writer.commit() == 3


@pytest.mark.parametrize("pattern", ["commits/2/*.live.arr", "commits/1/bm25.vocabulary.arr"])
def test_a_writer_does_not_build_upon_damage(pattern, lab, doc):
    lab.create(some(doc, range(10)))
    with lab.open() as writer:
        writer.delete(["d3"])
        writer.commit()
    flip(lab.path, pattern)
    with pytest.raises(IndexCorruptError, match=r"checksum"):
        lab.open()


def flip(folder, pattern):
    """One bit: in a text of the documents, in the middle of another file."""
    [path] = folder.glob(pattern)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"common") if path.suffix == ".sqlite" else len(raw) // 2] ^= 1
    path.write_bytes(raw)
