"""Term at a time in numba, as well as one can write it plainly: posting lists of int32 documents and float32
weights, an accumulator that is kept from query to query, and a heap over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from vectors import Documents

from peers import QueryVector


@njit
def _search(starts, rows, weights, query_terms, query_weights, acc, scores, found):  # type: ignore[no-untyped-def]
    acc[:] = 0.0
    for i in range(len(query_terms)):
        weight = query_weights[i]
        for at in range(starts[query_terms[i]], starts[query_terms[i] + 1]):
            acc[rows[at]] += weight * weights[at]
    size, k, least = 0, len(scores), np.float32(0.0)
    for row in range(len(acc)):
        score = acc[row]
        if score <= least:
            continue
        if size < k:
            slot = size
            size += 1
            while slot > 0 and scores[(slot - 1) >> 1] > score:
                scores[slot], found[slot] = scores[(slot - 1) >> 1], found[(slot - 1) >> 1]
                slot = (slot - 1) >> 1
        else:
            slot = 0
            while True:
                child = 2 * slot + 1
                if child >= size:
                    break
                if child + 1 < size and scores[child + 1] < scores[child]:
                    child += 1
                if scores[child] >= score:
                    break
                scores[slot], found[slot] = scores[child], found[child]
                slot = child
        scores[slot], found[slot] = score, row
        if size == k:
            least = scores[0]
    return found[:size][np.argsort(-scores[:size])]


def inverted(documents: Documents) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """(starts by term, rows int32, weights float32). By counting, in no more memory than the result's."""
    starts = np.zeros(documents.vocabulary_size + 1, np.int64)
    _count(documents.terms, starts)
    rows, weights = np.empty(documents.nnz, np.int32), np.empty(documents.nnz, np.float32)
    _distribute(documents.indptr, documents.terms, documents.weights, starts[:-1].copy(), rows, weights)
    return starts, rows, weights


@njit
def _count(terms, starts):  # type: ignore[no-untyped-def]
    for at in range(len(terms)):
        starts[terms[at] + 1] += 1
    for term in range(len(starts) - 1):
        starts[term + 1] += starts[term]


@njit
def _distribute(indptr, terms, weights, ends, rows, list_weights):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        for at in range(indptr[row], indptr[row + 1]):
            end = ends[terms[at]]
            rows[end], list_weights[end] = row, weights[at]
            ends[terms[at]] = end + 1


class Taat:
    name = "numba TAAT"

    def __init__(self, documents: Documents) -> None:
        self.lists = inverted(documents)
        self.acc = np.zeros(len(documents), np.float32)
        self.size_bytes = sum(array.nbytes for array in self.lists)

    def prepare(self, query: QueryVector) -> Any:
        return query[0].astype(np.int64), np.ascontiguousarray(query[1])

    def search(self, prepared: Any, k: int) -> Any:
        k = min(k, len(self.acc))
        return _search(*self.lists, *prepared, self.acc, np.zeros(k, np.float32), np.zeros(k, np.int64))


def build(documents: Documents, _folder: Path) -> Taat:
    return Taat(documents)
