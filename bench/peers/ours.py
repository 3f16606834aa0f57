"""This package's engine: one field, one segment, lists and vectors in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lsr.indexer.kernels import FieldView, Searcher, SegmentView, build_lists
from vectors import Documents

from peers import QueryVector


class Ours:
    name = "lsr"

    def __init__(self, documents: Documents, isa: str = "") -> None:
        vectors = (documents.indptr, documents.terms, documents.weights)
        lists = build_lists(*vectors, n_terms=documents.vocabulary_size)
        self.searcher = Searcher([SegmentView(len(documents), [FieldView(*vectors, lists)])], isa=isa)
        self.size_bytes = sum(array.nbytes for array in (*vectors, *lists.values()))

    def prepare(self, query: QueryVector) -> Any:
        terms, weights = query
        return np.zeros(len(terms), np.uint32), np.ascontiguousarray(terms), np.ascontiguousarray(weights)

    def search(self, prepared: Any, k: int) -> Any:
        return self.searcher.search(*prepared, k)[0]


def build(documents: Documents, _folder: Path) -> Ours:
    return Ours(documents)
