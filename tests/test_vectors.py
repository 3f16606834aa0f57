"""SparseVectors against plain dictionaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors, TermCounts
from lsr.vocabulary import GrowingVocabulary, Vocabulary

SIZE = 12
rows = st.dictionaries(
    st.integers(0, SIZE - 1), st.sampled_from([0.25, 0.5, 1.0, 1.5]).map(float), max_size=SIZE
)


def as_dicts(vectors: SparseVectors) -> list[dict[int, float]]:
    return [dict(zip(t.tolist(), w.tolist(), strict=True)) for t, w in map(vectors.row, range(len(vectors)))]


@given(st.lists(rows, max_size=6))
def test_round_trips(batch: list[dict[int, float]]) -> None:
    vectors = SparseVectors.from_id_dicts(batch, SIZE)
    assert as_dicts(vectors) == batch
    assert as_dicts(SparseVectors.from_scipy(vectors.to_scipy())) == batch


@given(st.lists(rows, max_size=6), st.integers(1, 4))
def test_top_keeps_the_heaviest_and_breaks_ties_by_term(batch: list[dict[int, float]], k: int) -> None:
    kept = as_dicts(SparseVectors.from_id_dicts(batch, SIZE).top(k))
    expected = [dict(sorted(row.items(), key=lambda item: (-item[1], item[0]))[:k]) for row in batch]
    assert kept == expected


@given(st.lists(rows, max_size=6), st.floats(0.01, 1.0))
def test_prune_keeps_the_smallest_prefix_with_the_mass(batch: list[dict[int, float]], mass: float) -> None:
    kept = as_dicts(SparseVectors.from_id_dicts(batch, SIZE).prune(mass=mass))
    for row, left in zip(batch, kept, strict=True):
        total, held, expected = sum(row.values()), 0.0, {}
        for term, weight in sorted(row.items(), key=lambda item: (-item[1], item[0])):
            if held >= mass * total:
                break
            expected[term], held = weight, held + weight
        assert left == expected


@given(st.lists(st.lists(rows, max_size=3), min_size=1, max_size=4), st.data())
def test_concatenate_take_and_rows(batches: list[list[dict[int, float]]], data: st.DataObject) -> None:
    joined = SparseVectors.concatenate([SparseVectors.from_id_dicts(batch, SIZE) for batch in batches])
    flat = [row for batch in batches for row in batch]
    assert as_dicts(joined) == flat
    if flat:
        chosen = data.draw(st.lists(st.integers(0, len(flat) - 1), max_size=5))
        assert as_dicts(joined.take(chosen)) == [flat[at] for at in chosen]
        start = data.draw(st.integers(0, len(flat)))
        stop = data.draw(st.integers(start, len(flat)))
        assert as_dicts(joined.rows(start, stop)) == flat[start:stop]


@pytest.mark.parametrize(
    ("indptr", "terms", "weights", "says"),
    [
        ([0, 1], [3], [float("nan")], "weight nan"),
        ([0, 1], [3], [-1.0], "weight -1.0"),
        ([0, 1], [3], [0.0], "weight 0.0"),
        ([0, 1], [3], [1e39], "within float32"),
        ([0, 1], [SIZE], [1.0], "outside the vocabulary"),
        ([0, 1], [-1], [1.0], "outside the vocabulary"),
        ([0, 2], [4, 4], [1.0, 1.0], "strictly ascending"),
        ([0, 2], [4, 3], [1.0, 1.0], "strictly ascending"),
        ([0, 2], [4], [1.0], "indptr ends at 2"),
        ([1, 1], [], [], "start at 0"),
    ],
)
def test_bad_vectors_are_refused_by_name(
    indptr: list[int], terms: list[int], weights: list[float], says: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        SparseVectors.checked(indptr, terms, weights, SIZE, names=["doc-1"])


def test_a_scipy_matrix_with_terms_outside_is_refused_before_scipy_follows_them() -> None:
    matrix = SparseVectors.from_id_dicts([{1: 0.5}, {2: 1.5}], SIZE).to_scipy()
    matrix.indices[1] = 2_000_000_000
    with pytest.raises(InvalidArgumentError, match="vector 1: term id 2000000000"):
        SparseVectors.from_scipy(matrix)


def test_saved_vectors_load_unchanged(tmp_path: Path) -> None:
    vectors = SparseVectors.from_id_dicts([{1: 0.5}, {}, {2: 1.5, 7: 0.25}], SIZE)
    vectors.save(tmp_path / "vectors.npz")
    assert as_dicts(SparseVectors.load(tmp_path / "vectors.npz")) == as_dicts(vectors)


def test_vectors_are_immutable() -> None:
    vectors = SparseVectors.from_id_dicts([{1: 0.5}], SIZE)
    with pytest.raises(ValueError, match="read-only"):
        vectors.weights[0] = 2.0


def test_term_strings_go_through_the_vocabulary() -> None:
    vocabulary = Vocabulary(["a", "b", "c"])
    vectors = SparseVectors.from_dicts([{"c": 1.0, "a": 0.5}], vocabulary)
    assert vectors.to_dicts(vocabulary) == [{"c": 1.0, "a": 0.5}]
    with pytest.raises(InvalidArgumentError, match="'z'"):
        SparseVectors.from_dicts([{"z": 1.0}], vocabulary)


def test_fingerprint_tells_where_terms_end() -> None:
    assert Vocabulary(["ab", "c"]).fingerprint != Vocabulary(["a", "bc"]).fingerprint
    assert Vocabulary(["a", "b"]).fingerprint != Vocabulary(["b", "a"]).fingerprint
    with pytest.raises(InvalidArgumentError, match="'a' occurs twice"):
        Vocabulary(["a", "b", "a"])


def test_growing_vocabulary_never_renames_an_id() -> None:
    vocabulary = GrowingVocabulary(["x"])
    assert vocabulary.ids_adding(["y", "x", "z", "y"]).tolist() == [1, 0, 2, 1]
    assert list(vocabulary.terms) == ["x", "y", "z"]


def test_term_counts_count() -> None:
    counts = TermCounts.from_bags([np.array([3, 1, 3], np.uint32), np.array([], np.uint32)])
    assert [array.tolist() for array in counts.row(0)] == [[1, 3], [1, 2]]
    assert counts.lengths.tolist() == [3, 0]
    last = TermCounts.from_bags([np.array([9, 2], np.uint32), np.array([7], np.uint32)]).rows(1, 2)
    assert [array.tolist() for array in last.row(0)] == [[7], [1]]
    assert (len(last), last.nnz, last.lengths.tolist()) == (1, 1, [1])
