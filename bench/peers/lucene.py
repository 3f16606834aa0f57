"""Lucene's impact index through pyserini, in a process of its own that times each query where it is searched.

Weights are integers (x 100), documents as in JsonVectorCollection. The interpreter that has pyserini is found
as for BM25: ``LSR_LUCENE_PYTHON``, or this one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lsr.eval import lucene
from vectors import Documents

from peers import QueryVector

SCALE = 100.0  # integers: its results are compared by recall, not bit by bit
WORKER = Path(__file__).with_name("lucene_worker.py")


class Lucene:
    name = "Lucene impact"

    def __init__(self, documents: Documents, folder: Path) -> None:
        python = lucene.lucene_python()
        if python is None:
            raise ImportError("no pyserini", name="pyserini")
        vectors, index = folder / "lucene-vectors", folder / "lucene"
        if not index.exists():
            vectors.mkdir(parents=True, exist_ok=True)
            _write(documents, vectors / "documents.jsonl")
        command = [python, "-P", str(WORKER), lucene.__file__, str(vectors), str(index)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.size_bytes = int(self._line()["size_bytes"])

    def _line(self) -> Any:
        """The worker's next answer; what the libraries print between is passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"Lucene's process ended with status {self.process.wait()}")

    def _ask(self, queries: Sequence[Any], k: int) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"queries": queries, "k": k}) + "\n")
        self.process.stdin.flush()
        return self._line()

    def prepare(self, query: QueryVector) -> Any:
        terms, weights = query
        integers = np.rint(weights * SCALE).astype(int)
        return {str(term): int(weight) for term, weight in zip(terms, integers, strict=True) if weight > 0}

    def search(self, prepared: Any, k: int) -> Any:
        return self._ask([prepared], k)["rows"][0]

    def time_all(self, prepared: Sequence[Any], k: int) -> npt.NDArray[np.float64]:
        return np.array(self._ask(prepared, k)["seconds"]) * 1e6


def _write(documents: Documents, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in range(len(documents)):
            part = slice(documents.indptr[row], documents.indptr[row + 1])
            integers = np.rint(np.asarray(documents.weights[part]) * SCALE).astype(int).tolist()
            terms = documents.terms[part].tolist()
            vector = {str(term): weight for term, weight in zip(terms, integers, strict=True) if weight > 0}
            file.write(json.dumps({"id": str(row), "contents": "", "vector": vector}) + "\n")


def build(documents: Documents, folder: Path) -> Lucene:
    return Lucene(documents, folder)
