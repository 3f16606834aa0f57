"""This package's engine: one field, one segment, lists and vectors in memory; as collected or reordered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lsr.indexer.kernels import (
    FieldView,
    Searcher,
    SegmentView,
    bisected_order,
    build_lists,
    heaviest_terms,
)
from vectors import Documents

from peers import QueryVector


class Ours:
    name = "lsr"

    def __init__(
        self, segment: SegmentView, size_bytes: int, isa: str = "", order: npt.NDArray[np.uint32] | None = None
    ) -> None:
        """order: the document of each row, where that is not the row's own number."""
        self.segment = segment
        self.searcher = Searcher([segment], isa=isa)
        self.size_bytes = size_bytes
        self.order = order

    def with_isa(self, isa: str) -> Ours:
        """The same index, searched with a lower instruction set."""
        lower = Ours(self.segment, self.size_bytes, isa, self.order)
        lower.name = f"{self.name} ({isa})"
        return lower

    def prepare(self, query: QueryVector) -> Any:
        terms, weights = query
        return np.zeros(len(terms), np.uint32), np.ascontiguousarray(terms), np.ascontiguousarray(weights)

    def search(self, prepared: Any, k: int) -> Any:
        rows = self.searcher.search(*prepared, k)[0]
        return rows if self.order is None else self.order[rows]


def build(documents: Documents, _folder: Path) -> Ours:
    return _built(documents.indptr, documents.terms, documents.weights, documents.vocabulary_size)


def build_reordered(documents: Documents, _folder: Path) -> Ours:
    """Documents put next to those like them, as `lsr index --reorder` does within a segment; one thread."""
    heaviest = heaviest_terms(documents.indptr, documents.terms, documents.weights)
    return _in_order(documents, bisected_order(heaviest), "lsr reordered")


def build_shuffled(documents: Documents, _folder: Path) -> Ours:
    """Documents in no order, as a collection that was not made by topic is."""
    order = np.random.default_rng(3).permutation(len(documents)).astype(np.uint32)
    return _in_order(documents, order, "lsr shuffled")


def _in_order(documents: Documents, order: npt.NDArray[np.uint32], name: str) -> Ours:
    sizes = np.diff(documents.indptr)[order]
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    terms, weights = np.empty(documents.nnz, documents.terms.dtype), np.empty(documents.nnz, np.float32)
    for row, document in enumerate(order):
        here = slice(indptr[row], indptr[row + 1])
        there = slice(documents.indptr[document], documents.indptr[document + 1])
        terms[here], weights[here] = documents.terms[there], documents.weights[there]
    ours = _built(indptr, terms, weights, documents.vocabulary_size)
    moved = Ours(ours.segment, ours.size_bytes, order=order)
    moved.name = name
    return moved


def _built(
    indptr: npt.NDArray[np.int64],
    terms: npt.NDArray[np.uint16],
    weights: npt.NDArray[np.float32],
    n_terms: int,
) -> Ours:
    lists = build_lists(indptr, terms, weights, n_terms=n_terms)
    segment = SegmentView(len(indptr) - 1, [FieldView(indptr, terms, weights, lists)])
    return Ours(segment, sum(array.nbytes for array in (indptr, terms, weights, *lists.values())))
