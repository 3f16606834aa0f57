"""splade-index with its numba backend, called at its retrieval function: vectors at hand, no model runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from splade_index.numba.retrieve_utils import _retrieve_internal_jitted_parallel
from vectors import Documents

from peers import QueryVector
from peers.taat import inverted


class SpladeIndex:
    name = "splade-index"

    def __init__(self, documents: Documents) -> None:
        starts, self.rows, self.weights = inverted(documents)
        self.starts = starts.astype(np.int64)
        self.n = len(documents)
        self.size_bytes = self.starts.nbytes + self.rows.nbytes + self.weights.nbytes

    def prepare(self, query: QueryVector) -> Any:
        return query[0].astype(np.int64), np.ascontiguousarray(query[1]), np.array([0, len(query[0])], np.int64)

    def search(self, prepared: Any, k: int) -> Any:
        return _retrieve_internal_jitted_parallel(
            *prepared, min(k, self.n), True, np.float32, np.int32, self.weights, self.starts, self.rows, self.n
        )[1][0]


def build(documents: Documents, _folder: Path) -> SpladeIndex:
    return SpladeIndex(documents)
