"""Seismic (pyseismic-lsr), approximate: its documented build, and query settings near recall 0.99."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from seismic import SeismicDataset, SeismicIndex, get_seismic_string
from vectors import Documents

from peers import QueryVector

QUERY_CUT = 10
HEAP_FACTOR = 0.8


class Seismic:
    name = "seismic"

    def __init__(self, documents: Documents) -> None:
        dataset = SeismicDataset()
        for row in range(len(documents)):
            part = slice(documents.indptr[row], documents.indptr[row + 1])
            terms = documents.terms[part].astype(get_seismic_string())
            dataset.add_document(str(row), terms, np.asarray(documents.weights[part]))
        self.index = SeismicIndex.build_from_dataset(dataset, num_threads=1)
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(str(Path(folder) / "index"))
            self.size_bytes = sum(file.stat().st_size for file in Path(folder).iterdir())

    def prepare(self, query: QueryVector) -> Any:
        return query[0].astype(get_seismic_string()), np.ascontiguousarray(query[1])

    def search(self, prepared: Any, k: int) -> Any:
        found = self.index.search("q", *prepared, k=k, query_cut=QUERY_CUT, heap_factor=HEAP_FACTOR)
        return [int(row) for _, _, row in found]


def build(documents: Documents, _folder: Path) -> Seismic:
    return Seismic(documents)
