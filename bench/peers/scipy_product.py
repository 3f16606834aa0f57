"""scipy: the terms' rows of the transposed matrix, weighted and summed, and a partition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from vectors import Documents

from peers import QueryVector
from peers.taat import inverted


class ScipyProduct:
    name = "scipy"

    def __init__(self, documents: Documents) -> None:
        starts, rows, weights = inverted(documents)
        self.by_term = csr_matrix((weights, rows, starts), shape=(documents.vocabulary_size, len(documents)))
        self.size_bytes = self.by_term.data.nbytes + self.by_term.indices.nbytes + self.by_term.indptr.nbytes

    def prepare(self, query: QueryVector) -> Any:
        terms, weights = query
        return csr_matrix((weights, terms.astype(np.int32), [0, len(terms)]), shape=(1, self.by_term.shape[0]))

    def search(self, prepared: Any, k: int) -> Any:
        scores = prepared @ self.by_term
        kept = np.argpartition(-scores.data, k)[:k] if len(scores.data) > k else np.arange(len(scores.data))
        return scores.indices[kept[np.argsort(-scores.data[kept])]]


def build(documents: Documents, _folder: Path) -> ScipyProduct:
    return ScipyProduct(documents)
