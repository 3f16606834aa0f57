"""Inverted lists against the vectors they were made from: what they hold counts, not how they hold it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.kernels import build_lists, check_lists

from lsr.errors import IndexCorruptError

N_TERMS = 30
TILE = 32_768
DENSE_UNIT, SPARSE_UNIT = 64, 8

Lists = Mapping[str, np.ndarray]


class Field:
    """Vectors in which term 0 is in most documents, so that it is a row, and terms from 10 on are rare."""

    def __init__(self, n: int, seed: int, weight_type: type = np.float32) -> None:
        rng = np.random.default_rng(seed)
        likely = np.concatenate([np.linspace(0.7, 0.05, 10), np.full(N_TERMS - 10, 0.01)])
        present = rng.random((n, N_TERMS)) < likely
        self.indptr = np.concatenate([[0], np.cumsum(present.sum(1))]).astype(np.int64)
        self.terms = np.nonzero(present)[1].astype(np.uint16)
        self.scale = 1.0
        if weight_type is np.uint8:
            self.weights = rng.integers(1, 256, len(self.terms)).astype(np.uint8)
            self.scale = 0.01
        else:
            self.weights = (rng.random(len(self.terms)) + 0.01).astype(weight_type)
        self.lists = build_lists(self.indptr, self.terms, self.weights, n_terms=N_TERMS, scale=self.scale)

    def check(self, lists: Lists | None = None, *, threads: int = 1) -> dict[str, str]:
        return check_lists(
            self.indptr,
            self.terms,
            self.weights,
            self.lists if lists is None else lists,
            threads=threads,
            scale=self.scale,
        )

    def changed(self, name: str, at: int, value: int | float) -> dict[str, np.ndarray]:
        array = self.lists[name].copy()
        array[at] = value
        return {**self.lists, name: array}


SMALL = Field(3_000, 1)
LARGE = Field(2 * TILE + 35_000, 2)  # four tiles, with block rows


def runs_of(lists: Lists, *, dense: bool) -> np.ndarray:
    runs = lists["runs"].reshape(-1, 4)
    return np.flatnonzero(runs[:, 3] == dense)


@pytest.mark.parametrize("weight_type", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("n", [1, 63, 3_000])
def test_lists_as_built_are_right(n: int, weight_type: type) -> None:
    assert Field(n, n, weight_type).check() == {}


@pytest.mark.parametrize("threads", [1, 3])
def test_lists_of_several_tiles_with_block_rows_are_right(threads: int) -> None:
    assert len(LARGE.lists["blocks"]) > 0
    assert LARGE.check(threads=threads) == {}


def test_no_documents_have_no_lists() -> None:
    nothing = np.zeros(0, np.uint16), np.zeros(0, np.float32)
    indptr = np.zeros(1, np.int64)
    assert check_lists(indptr, *nothing, build_lists(indptr, *nothing, n_terms=0)) == {}


def as_sparse(lists: Lists, n: int) -> dict[str, np.ndarray]:
    """The same lists with every row written as a sparse list, as a builder might prefer."""
    slots = np.arange(64)
    natural = np.where(slots < 32, 2 * slots, 2 * (slots - 32) + 1)
    runs = lists["runs"].reshape(-1, 4).copy()
    sparse = [lists["sparse"][:-64]]
    size = len(sparse[0])
    for at in runs_of(lists, dense=True):
        tile, offset, count, _ = runs[at].tolist()
        groups = (min(n - tile * TILE, TILE) + 63) // 64
        row = lists["dense"][offset * DENSE_UNIT :][: 64 * groups].reshape(-1, 64)[:, natural].ravel()
        documents = np.flatnonzero(row)
        written = np.concatenate([documents.astype(np.uint16).view(np.uint8), row[documents]])
        padding = np.zeros(-len(written) % SPARSE_UNIT, np.uint8)
        runs[at] = tile, size // SPARSE_UNIT, count, 0
        sparse += [written, padding]
        size += len(written) + len(padding)
    whole = np.concatenate([*sparse, np.zeros(64, np.uint8)])
    return {**lists, "runs": runs.ravel(), "sparse": whole, "dense": np.zeros(64, np.uint8)}


@pytest.mark.parametrize("field", [SMALL, LARGE], ids=["one tile", "four tiles"])
def test_another_choice_of_forms_is_as_right(field: Field) -> None:
    assert len(runs_of(field.lists, dense=True)) > 0
    assert field.check(as_sparse(field.lists, len(field.indptr) - 1)) == {}


def test_fewer_block_rows_are_as_right() -> None:
    rows = LARGE.lists["block_rows"].copy()
    rows[0] = 2**32 - 1
    assert LARGE.check({**LARGE.lists, "block_rows": rows}) == {}


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_any_other_code_or_offset_is_noticed(data: st.DataObject) -> None:
    dense = data.draw(st.booleans())
    name = "dense" if dense else "sparse"
    runs = SMALL.lists["runs"].reshape(-1, 4)
    _, offset, count, _ = runs[data.draw(st.sampled_from(list(runs_of(SMALL.lists, dense=dense))))]
    size = 3_000 if dense else 3 * int(count)
    at = int(offset) * (DENSE_UNIT if dense else SPARSE_UNIT) + data.draw(st.integers(0, size - 1))
    other = (int(SMALL.lists[name][at]) + data.draw(st.integers(1, 255))) % 256
    assert set(SMALL.check(SMALL.changed(name, at, other))) == {name}


@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_any_other_bound_of_a_block_is_noticed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(LARGE.lists["blocks"]) - 65))
    other = (int(LARGE.lists["blocks"][at]) + data.draw(st.integers(1, 255))) % 256
    assert set(LARGE.check(LARGE.changed("blocks", at, other), threads=2)) == {"blocks"}


def test_a_largest_weight_that_no_document_has_is_named() -> None:
    term = int(SMALL.lists["terms"][3])
    found = SMALL.check(SMALL.changed("maxima", 3, 9.5))
    assert f"the largest weight of term {term} is said to be 9.5" in found["maxima"]


def test_a_list_that_says_another_number_of_documents_is_named() -> None:
    said = int(SMALL.lists["runs"][2]) + 1
    found = SMALL.check(SMALL.changed("runs", 2, said))
    assert found["runs"] == f"the list of term 0 in tile 0 is said to have {said} documents, not {said - 1}"


def test_a_list_outside_its_array_is_named() -> None:
    found = SMALL.check(SMALL.changed("runs", 1, 2**31))
    assert found["runs"] == "the list of term 0 in tile 0 lies outside its array"


def test_a_term_without_lists_is_named() -> None:
    found = SMALL.check(SMALL.changed("terms", N_TERMS - 1, 77))
    assert found == {"terms": f"there are no lists of term {N_TERMS - 1}"}


@pytest.mark.parametrize("tile", [0, 3, 9])
def test_lists_of_tiles_out_of_order_or_of_none_are_named(tile: int) -> None:
    found = LARGE.check(LARGE.changed("runs", 4 * 2, tile))  # the third list of the first term
    assert "runs" in found


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_weights_that_are_none_are_an_error(weight: float) -> None:
    weights = SMALL.weights.copy()
    weights[5] = weight
    with pytest.raises(IndexCorruptError, match=r"document \d+: weight .* must be finite and above 0"):
        check_lists(SMALL.indptr, SMALL.terms, weights, SMALL.lists)


def test_a_directory_that_no_search_would_accept_is_an_error() -> None:
    with pytest.raises(IndexCorruptError, match="terms do not ascend"):
        SMALL.check(SMALL.changed("terms", 4, 0))
