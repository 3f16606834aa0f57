"""Seismic (pyseismic-lsr), approximate: built and queried as in its authors' example for splade on MS MARCO,
unless other settings of a query are asked for.

https://github.com/TusKANNy/seismic/blob/main/docs/Guidelines.md
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from seismic import SeismicDataset, SeismicIndex, get_seismic_string
from vectors import Documents

from peers import QueryVector

logger = logging.getLogger(__name__)

BUILD: dict[str, Any] = {
    "n_postings": 3000,
    "centroid_fraction": 0.2,
    "min_cluster_size": 2,
    "summary_energy": 0.5,
    "max_fraction": 6.0,
}


@dataclass(frozen=True)
class Settings:
    """Of a query.

    query_cut:   heaviest terms that are looked up
    heap_factor: how readily blocks are skipped
    in_order:    the first list's blocks are read from the best summary on: faster, and finds less
    """

    query_cut: int = 10
    heap_factor: float = 0.8
    in_order: bool = False


class Seismic:
    name = "seismic"

    def __init__(self, documents: Documents, folder: Path) -> None:
        path = folder / "seismic"
        kept = path.with_suffix(".index.seismic")
        if not kept.exists():
            begin = time.process_time()
            _built(documents).save(str(path))
            logger.info("seismic: built in %.0f s of processor time", time.process_time() - begin)
        self.index = SeismicIndex.load(str(kept))
        self.size_bytes = kept.stat().st_size
        self.settings = Settings()

    def prepare(self, query: QueryVector) -> Any:
        return query[0].astype(get_seismic_string()), np.ascontiguousarray(query[1])

    def search(self, prepared: Any, k: int) -> Any:
        found = self.index.search(
            "",
            *prepared,
            k=k,
            query_cut=self.settings.query_cut,
            heap_factor=self.settings.heap_factor,
            sorted=self.settings.in_order,
        )
        return [int(row) for _, _, row in found]


def _built(documents: Documents) -> Any:
    dataset = SeismicDataset()
    for row in range(len(documents)):
        part = slice(documents.indptr[row], documents.indptr[row + 1])
        terms = documents.terms[part].astype(get_seismic_string())
        dataset.add_document(str(row), terms, np.asarray(documents.weights[part]))
    return SeismicIndex.build_from_dataset(dataset, **BUILD)


def build(documents: Documents, folder: Path) -> Seismic:
    folder.mkdir(parents=True, exist_ok=True)
    return Seismic(documents, folder)
