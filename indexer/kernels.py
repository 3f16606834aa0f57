"""The native index core: inverted lists, segments and the exact scorer over them.

Everything here works on arrays and on *rows*: a row is a document's position, counted through the segments in
the order given. Names, texts and commits live above, in the collection.

Arrays are taken as they are, without copies, and must not change while a native object refers to them. What
they hold is not trusted: a search answers or raises IndexCorruptError, and reads nothing outside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lsr.indexer._native import HEAVIEST, Searcher, SegmentView, active_isa, supported_isa
from lsr.indexer._native import bisected_order as _bisected_order
from lsr.indexer._native import build_lists as _build_lists
from lsr.indexer._native import check_lists as _check_lists
from lsr.indexer._native import heaviest_terms as _heaviest_terms
from lsr.indexer.approximation import Approximation

__all__ = [
    "HEAVIEST",
    "Approximation",
    "FieldView",
    "Searcher",
    "SegmentView",
    "active_isa",
    "bisected_order",
    "build_lists",
    "check_lists",
    "heaviest_terms",
    "supported_isa",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class FieldView:
    """One field of one segment, as ``SegmentView`` takes it.

    indptr:  int64, shape (n_documents + 1,)
    terms:   uint16 or uint32, shape (nnz,), strictly ascending within a document
    weights: float32, float16 or uint8, shape (nnz,), as kept; each must stand for a number > 0
    lists:   what ``build_lists`` made of these three arrays
    scale:   with uint8, a weight is float32(code * scale); ignored otherwise
    """

    indptr: npt.NDArray[np.int64]
    terms: Array
    weights: Array
    lists: Mapping[str, Array]
    scale: float = 1.0


def build_lists(
    indptr: npt.NDArray[np.int64],
    terms: Array,
    weights: Array,
    *,
    n_terms: int,
    threads: int = 1,
    scale: float = 1.0,
) -> dict[str, Array]:
    """The inverted lists of a field's vectors, as named arrays to keep beside them and give to ``FieldView``.

    The arrays' layout is the scorer's affair; the same vectors give the same bytes with any number of threads.
    Weights are taken as stored (see FieldView), so that the lists' bounds hold for what will be scored.
    Raises InvalidArgumentError on a term >= n_terms, terms that do not ascend, or a weight not above 0.
    """
    return _build_lists(indptr, terms, weights, n_terms=n_terms, threads=threads, scale=scale)


def check_lists(
    indptr: npt.NDArray[np.int64],
    terms: Array,
    weights: Array,
    lists: Mapping[str, Array],
    *,
    threads: int = 1,
    scale: float = 1.0,
) -> dict[str, str]:
    """Whether inverted lists are those of these vectors: what is wrong, by name of the array; empty: nothing.

    What lists hold is compared, not the form in which they hold it: which of them are rows, and which terms
    have block rows, is the builder's choice and may change from release to release. The arrays are those of
    ``FieldView``. Each thread holds the postings of 32,768 documents.
    Raises IndexCorruptError on a directory that no search would accept, or a weight that is not above 0.
    """
    return _check_lists(indptr, terms, weights, dict(lists), threads=threads, scale=scale)


def heaviest_terms(
    indptr: npt.NDArray[np.int64], terms: Array, weights: Array, *, scale: float = 1.0
) -> npt.NDArray[np.uint32]:
    """What ``bisected_order`` knows documents by: the terms of largest weight of each, shape (n_documents, 32).

    Shorter rows are filled up with 2**32 - 1. The arrays are those of ``FieldView``.
    """
    return _heaviest_terms(indptr, terms, weights, scale=scale).reshape(-1, HEAVIEST)


def bisected_order(heaviest: npt.NDArray[np.uint32], *, threads: int = 1) -> npt.NDArray[np.uint32]:
    """An order of documents in which neighbours share terms: row numbers of ``heaviest``, shape (n_documents,).

    heaviest: of ``heaviest_terms``; overwritten
    Recursive graph bisection (Dhulipala et al., KDD 2016, section 4), with gains as derivatives. The result is
    the same for any number of threads. Holds 150 bytes a document; `bench/life.py` measures the time.
    """
    return _bisected_order(heaviest.reshape(-1), threads=threads)
