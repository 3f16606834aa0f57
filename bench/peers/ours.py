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

    def __init__(self, segment: SegmentView, size_bytes: int, isa: str = "") -> None:
        self.segment = segment
        self.searcher = Searcher([segment], isa=isa)
        self.size_bytes = size_bytes

    def with_isa(self, isa: str) -> Ours:
        """The same index, searched with a lower instruction set."""
        lower = Ours(self.segment, self.size_bytes, isa)
        lower.name = f"lsr ({isa})"
        return lower

    def prepare(self, query: QueryVector) -> Any:
        terms, weights = query
        return np.zeros(len(terms), np.uint32), np.ascontiguousarray(terms), np.ascontiguousarray(weights)

    def search(self, prepared: Any, k: int) -> Any:
        return self.searcher.search(*prepared, k)[0]


def build(documents: Documents, _folder: Path) -> Ours:
    vectors = (documents.indptr, documents.terms, documents.weights)
    lists = build_lists(*vectors, n_terms=documents.vocabulary_size)
    segment = SegmentView(len(documents), [FieldView(*vectors, lists)])
    return Ours(segment, sum(array.nbytes for array in (*vectors, *lists.values())))
