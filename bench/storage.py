"""What reduced weights (float16, uint8) save and lose.

Bytes a posting, top-10 overlap with float32, nDCG@10 where there are judgements, and microseconds a query:

    python bench/storage.py --sets msmarco-dl wiki-lead

Medians are of the better of two rounds, storages taking turns, one thread, a query a call.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from lsr.data.beir import BeirDataset, corpus_file
from lsr.data.readers import read_documents
from lsr.eval.measures import evaluate_run, parse_measures
from lsr.indexer.fields import WeightStorage
from lsr.indexer.kernels import FieldView, Searcher, SegmentView, build_lists
from lsr.indexer.precision import encode, scale_for
from peers import QueryVector
from vectors import Documents, documents_of, queries_of

HERE = Path(__file__).resolve().parent
DEPTHS = (10, 1000)
OVERLAP = 10
ROUNDS = 2
JUDGED = "msmarco-dl"  # its own queries stand first among the set's


class Stored:
    """The set in one segment, with its weights as one storage keeps them."""

    def __init__(self, documents: Documents, storage: WeightStorage) -> None:
        weights = np.asarray(documents.weights)
        scale = scale_for(float(weights.max())) if storage == "uint8" else 1.0
        stored, self.clamped = encode(weights, storage, scale)
        vectors = (documents.indptr, documents.terms, stored)
        lists = build_lists(*vectors, n_terms=documents.vocabulary_size, scale=scale)
        self.searcher = Searcher([SegmentView(len(documents), [FieldView(*vectors, lists, scale)])])
        self.size_bytes = sum(array.nbytes for array in (*vectors, *lists.values()))

    def search(self, query: QueryVector, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        return self.searcher.search(np.zeros(len(query[0]), np.uint32), *query, k)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", type=Path, default=os.environ.get("LSR_COLLECTIONS"))
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="where vectors are kept")
    parser.add_argument("--sets", nargs="+", default=["msmarco-dl", "wiki-lead"])
    parser.add_argument(
        "--queries", type=int, default=1000, help="questions beside the collection's own queries"
    )
    options = parser.parse_args()
    if options.collections is None:
        parser.error("name the folder of collections with --collections or LSR_COLLECTIONS")
    for name in options.sets:
        documents = documents_of(name, Path(options.collections), options.cache)
        queries = queries_of(name, Path(options.collections), options.cache, extra=options.queries)
        judged = Path(options.collections) / JUDGED if name == JUDGED else None
        for row in _rows(documents, queries, judged):
            print(json.dumps({"set": documents.name} | row), flush=True)


def _rows(documents: Documents, queries: Sequence[QueryVector], judged: Path | None) -> list[dict[str, Any]]:
    storages: tuple[WeightStorage, ...] = get_args(WeightStorage)
    stored = {storage: Stored(documents, storage) for storage in storages}
    tops = {
        name: [set(each.search(query, OVERLAP)[0].tolist()) for query in queries]
        for name, each in stored.items()
    }
    medians = {(name, k): us for k in DEPTHS for name, us in _medians(stored, queries, k).items()}
    return [
        {
            "storage": name,
            "bytes_per_posting": round(each.size_bytes / documents.nnz, 2),
            "clamped": each.clamped,
            "top10_overlap": round(float(np.mean(_overlaps(tops["float32"], tops[name]))), 4),
            "nDCG@10": _ndcg(each, queries, judged) if judged is not None else None,
        }
        | {f"median_us_k{k}": medians[name, k] for k in DEPTHS}
        for name, each in stored.items()
    ]


def _overlaps(exact: Sequence[set[int]], found: Sequence[set[int]]) -> list[float]:
    return [len(one & other) / len(one) for one, other in zip(exact, found, strict=True) if one]


def _medians(stored: dict[WeightStorage, Stored], queries: Sequence[QueryVector], k: int) -> dict[str, float]:
    best = {name: np.full(len(queries), np.inf) for name in stored}
    for _ in range(ROUNDS):
        for name, each in stored.items():
            for at, query in enumerate(queries):
                begin = time.perf_counter()
                each.search(query, k)
                best[name][at] = min(best[name][at], time.perf_counter() - begin)
    return {name: round(float(np.median(seconds)) * 1e6, 1) for name, seconds in best.items()}


def _ndcg(stored: Stored, queries: Sequence[QueryVector], folder: Path) -> float:
    dataset = BeirDataset.open(folder)
    ids = [document.id for document in read_documents(corpus_file(folder))]
    run = {}
    for query, vector in zip(dataset.queries, queries, strict=False):  # more queries than judged ones follow
        rows, scores = stored.search(vector, 100)
        run[query.id] = [(ids[row], float(score)) for row, score in zip(rows, scores, strict=True)]
    values = evaluate_run(run, dataset.qrels, parse_measures(["nDCG@10"]))["nDCG@10"].values
    return round(float(values.mean()), 4)


if __name__ == "__main__":
    main()
