"""PISA through pyterrier-pisa's extension, without a JVM: weights as integers (x 100), blocks of 64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from vectors import Documents

from peers import QueryVector

SCALE = 100.0  # integers: its results are compared by recall, not bit by bit


class Pisa:
    def __init__(self, documents: Documents, folder: Path, algorithm: str, name: str) -> None:
        from pyterrier_pisa import PisaIndex, PisaToksIndexer

        self.name, self.algorithm = name, algorithm
        path = folder / "pisa"
        if not (path / "pt_meta.json").exists():
            PisaToksIndexer(path, scale=SCALE, mode="overwrite").index(_records(documents))
        self.retriever = PisaIndex(path, stops="none").quantized(query_algorithm=algorithm, threads=1)
        self.size_bytes = sum(file.stat().st_size for file in path.glob("inv.*"))

    def prepare(self, query: QueryVector) -> Any:
        return [
            (0, {str(term): float(w * SCALE) for term, w in zip(*map(np.ndarray.tolist, query), strict=True)})
        ]

    def search(self, prepared: Any, k: int) -> Any:
        from pyterrier_pisa import _pisathon

        docnos = np.empty(k, object)
        size = _pisathon.retrieve(
            self.retriever._ctxt,
            self.algorithm,
            prepared,
            k=k,
            threads=1,
            query_weighted=1,
            pretokenised=True,
            result_qidxs=np.empty(k, np.int32),
            result_docnos=docnos,
            result_ranks=np.empty(k, np.int32),
            result_scores=np.empty(k, np.float32),
        )
        return [int(docno) for docno in docnos[:size]]


def _records(documents: Documents) -> Any:
    for row in range(len(documents)):
        part = slice(documents.indptr[row], documents.indptr[row + 1])
        terms, weights = documents.terms[part].tolist(), documents.weights[part].tolist()
        yield {
            "docno": str(row),
            "toks": {str(term): weight for term, weight in zip(terms, weights, strict=True)},
        }


def build_maxscore(documents: Documents, folder: Path) -> Pisa:
    return Pisa(documents, folder, "maxscore", "PISA MaxScore")


def build_block_max_wand(documents: Documents, folder: Path) -> Pisa:
    return Pisa(documents, folder, "block_max_wand", "PISA BM-WAND")
