"""The fast mode of a collection: settings by recall, kept in the manifest, and what they must not lose."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.approximation import Approximation
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fast import Tuned, merged
from lsr.indexer.fields import FieldSpec
from lsr.indexer.manifest import manifest_checksum
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexCorruptError, InvalidArgumentError, NotTunedError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

N_DOCUMENTS, N_TERMS = (
    101_000,
    60,
)  # block rows, which the fast mode works on, are for 100,000 documents and more


def tuned(recall=0.99, k=10, fields=None, keep=0.4, gamma=1.0, documents=N_DOCUMENTS):
    settings = Approximation(keep, gamma)
    return Tuned(recall, k, fields or {"learned": 1.0}, settings, 0.9912, 1.5, 100, "queries", documents)


def recorded(path, *entries):
    with CollectionWriter.open(path) as writer:
        return writer.record("fast", [each.to_json() for each in entries])


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Zipf-like terms in one large segment, a small one beside it, deletions in both, metadata to filter by."""
    path = tmp_path_factory.mktemp("large") / "index"
    rng = np.random.default_rng(5)
    shares = 1 / np.arange(1, N_TERMS + 1)
    sizes = rng.integers(1, 7, N_DOCUMENTS)
    rows = np.repeat(np.arange(N_DOCUMENTS), sizes)
    terms = rng.choice(N_TERMS, len(rows), p=shares / shares.sum())
    pairs = np.unique(rows * N_TERMS + terms)
    indptr = np.searchsorted(pairs, np.arange(N_DOCUMENTS + 1) * N_TERMS)
    weights = rng.exponential(1.0, len(pairs)).astype(np.float32) + np.float32(0.01)
    vectors = SparseVectors(indptr, (pairs % N_TERMS).astype(np.uint32), weights, N_TERMS)
    documents = [DocumentInput(f"d{at}", metadata={"part": at % 50}) for at in range(N_DOCUMENTS)]
    field = FieldSpec("learned", "encoded", Vocabulary([f"t{at}" for at in range(N_TERMS)]))
    with CollectionWriter.create(path, [field]) as writer:
        writer.add(documents[:100_500], {"learned": vectors.rows(0, 100_500)})
        writer.commit()
        writer.add(documents[100_500:], {"learned": vectors.rows(100_500, N_DOCUMENTS)})
        writer.delete([f"d{at}" for at in range(0, N_DOCUMENTS, 3)])
        writer.commit()
    recorded(path, tuned(), tuned(0.9, keep=0.1), tuned(0.9, k=100, keep=1e-9))
    return Collection.open(path)


queries = st.dictionaries(st.integers(0, N_TERMS - 1), st.floats(0.0625, 4, width=32), min_size=1, max_size=12)


@given(
    query=queries, k=st.sampled_from([1, 10, 90, 40_000]), part=st.sampled_from([None, "part = 7", "part < 0"])
)
@settings(max_examples=40, deadline=None)
def test_as_many_hits_as_exact_with_their_exact_scores(large, query, k, part):
    """Deletes and filters are honoured, order is by score, then number."""
    vectors = {"learned": SparseVectors.from_id_dicts([query], N_TERMS)}
    [exact] = large.search(vectors, k, filter=part)
    [fast] = large.search(vectors, k, filter=part, mode="fast", recall=0.9)
    assert len(fast) == len(exact) == len(set(fast.numbers.tolist()))
    assert large.scores(fast.numbers, vectors).tobytes() == fast.scores.tobytes()
    assert np.array_equal(np.lexsort((fast.numbers, -fast.scores)), np.arange(len(fast)))
    everything = large.search(vectors, N_DOCUMENTS, filter=part)[0]
    assert np.isin(fast.numbers, everything.numbers).all()


def test_it_is_approximate(large):
    rng = np.random.default_rng(1)
    rows = [
        {int(t): float(rng.uniform(0.1, 3)) for t in rng.choice(N_TERMS, 9, replace=False)} for _ in range(30)
    ]
    vectors = {"learned": SparseVectors.from_id_dicts(rows, N_TERMS)}
    exact, fast = large.search(vectors, 10), large.search(vectors, 10, mode="fast", recall=0.9)
    assert any(not np.array_equal(a.numbers, b.numbers) for a, b in zip(exact, fast, strict=True))


def test_the_settings_are_those_of_the_depth(large):
    assert large.tuned_for(0.9, {"learned": 1.0}, 10).approximation.keep == 0.1
    assert large.tuned_for(0.9, {"learned": 5.0}, 11).k == 100  # the same order, whatever the one weight
    assert large.tuned_for(0.9, {"learned": 1.0}, 5000).k == 100


@pytest.fixture
def small(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x y"), doc("b", {1: 1.0}, "x")])
    return lab


QUERY = {"learned": SparseVectors.from_id_dicts([{0: 1.0}], 12)}


def test_what_was_never_tuned_is_refused_with_the_command(small):
    with pytest.raises(
        NotTunedError, match=r"no settings were ever found.* Run `lsr tune .* --fields learned=1`"
    ):
        small.read().search(QUERY, mode="fast")
    recorded(small.path, tuned(0.95), tuned(0.9))
    collection = small.read()
    with pytest.raises(NotTunedError, match=r"recall of 0\.99, only for 0\.9, 0\.95\..*--recall 0\.99`"):
        collection.search(QUERY, mode="fast")
    with pytest.raises(NotTunedError, match=r"only for searches that sum learned=1, not learned=1,bm25=1"):
        collection.tuned_for(0.9, {"learned": 1.0, "bm25": 1.0}, 10)
    assert collection.search(QUERY, mode="fast", recall=0.95)[0].numbers.tolist() == [0]


@pytest.mark.parametrize(
    ("mode", "recall", "message"),
    [
        ("quick", None, "mode must be exact or fast"),
        ("exact", 0.9, 'recall goes with mode "fast"'),
        ("fast", 0.5, "recall must be 0.9 to 0.999"),
        ("fast", float("nan"), "recall must be 0.9 to 0.999"),
    ],
)
def test_modes_and_recalls_that_make_no_sense(small, mode, recall, message):
    with pytest.raises(InvalidArgumentError, match=message):
        small.read().search(QUERY, mode=mode, recall=recall)


def test_the_reference_scorer_has_no_fast_mode(small):
    recorded(small.path, tuned())
    with pytest.raises(InvalidArgumentError, match="the reference scorer is exact"):
        small.read().search(QUERY, mode="fast", reference=True)


def test_settings_outlive_commits_merges_and_restores(small, doc, tmp_path):
    from lsr.indexer.snapshots import restore, snapshot

    assert recorded(small.path, tuned()) == 2
    with small.open() as writer:
        small.add(writer, [doc("c", {2: 1.0}, "z")])
        writer.commit()
        writer.merge(full=True)
    snapshot(small.path, tmp_path / "kept")
    restore(tmp_path / "kept", small.path)
    assert small.read().tuned == [tuned()]


def test_settings_are_recorded_between_changes_only(small, doc):
    with small.open() as writer:
        small.add(writer, [doc("c", {2: 1.0}, "z")])
        with pytest.raises(InvalidArgumentError, match="commit the changes first"):
            writer.record("fast", [])
        writer.commit()
        assert writer.record("note", {"by": "hand"}) == 3
    assert small.read().manifest.settings == {"note": {"by": "hand"}}


def test_a_new_tuning_replaces_that_of_the_same_recall_depth_and_sum():
    kept = merged(
        [tuned(0.9), tuned(0.9, k=100), tuned(0.99)], [tuned(0.9, keep=0.8), tuned(0.9, fields={"bm25": 1.0})]
    )
    assert [(each.recall, each.k, each.approximation.keep) for each in kept] == [
        (0.9, 100, 0.4),
        (0.99, 10, 0.4),
        (0.9, 10, 0.8),
        (0.9, 10, 0.4),
    ]


@pytest.mark.parametrize(
    "value", [7, [7], [{}], [{**tuned().to_json(), "recall": 2}], [{"recall": 0.9, "k": "x"}]]
)
def test_settings_that_cannot_be_read_are_said(small, value):
    path = small.path / "manifest.json"
    body = json.loads(path.read_text())
    body["settings"] = {"fast": value}
    body["checksum"] = manifest_checksum(body)
    path.write_text(json.dumps(body))
    assert small.read().search(QUERY)[0].numbers.tolist() == [0]
    with pytest.raises(IndexCorruptError, match=r"settings\.fast cannot be read .*lsr tune"):
        small.read().search(QUERY, mode="fast")
