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
    """(starts by term, rows int32, weights float32)."""
    order = np.argsort(documents.terms, kind="stable")
    rows = np.repeat(np.arange(len(documents), dtype=np.int32), np.diff(documents.indptr))[order]
    counts = np.bincount(documents.terms, minlength=documents.vocabulary_size)
    return np.concatenate([[0], np.cumsum(counts)]), rows, np.asarray(documents.weights)[order]


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
