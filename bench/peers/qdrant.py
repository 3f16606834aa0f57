"""Qdrant's engine in a wheel (qdrant-edge-py): exact sparse search, weights in float32."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from qdrant_edge import (
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    Point,
    Query,
    SearchRequest,
    SparseVector,
    UpdateOperation,
)
from vectors import Documents

from peers import QueryVector

BATCH = 1000
FIELD = "learned"


class Qdrant:
    name = "qdrant-edge"

    def __init__(self, documents: Documents, folder: Path) -> None:
        path = folder / "qdrant"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        config = EdgeConfig(sparse_vectors={FIELD: EdgeSparseVectorParams()}, max_search_threads=1)
        self.shard = EdgeShard.create(str(path), config)
        for begin in range(0, len(documents), BATCH):
            rows = range(begin, min(begin + BATCH, len(documents)))
            self.shard.update(UpdateOperation.upsert_points([_point(documents, row) for row in rows]))
        self.shard.optimize()
        self.shard.flush()
        self.size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

    def prepare(self, query: QueryVector) -> Any:
        return SparseVector(query[0].tolist(), query[1].tolist())

    def search(self, prepared: Any, k: int) -> Any:
        found = self.shard.search(SearchRequest(Query.Nearest(prepared, FIELD), k))
        return [point.id for point in found]


def _point(documents: Documents, row: int) -> Point:
    part = slice(documents.indptr[row], documents.indptr[row + 1])
    vector = SparseVector(documents.terms[part].tolist(), documents.weights[part].tolist())
    return Point(row, {FIELD: vector}, {})


def build(documents: Documents, folder: Path) -> Qdrant:
    return Qdrant(documents, folder)
