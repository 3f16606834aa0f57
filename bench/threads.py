"""What threads are good for: one query on several, and a batch of queries on several.

    python bench/threads.py --sets msmarco-dl msmarco-dl:1000000 --load memory

``query``: the median over the queries of the best of three rounds, the numbers of threads in turn, a query a
           call.
``batch``: queries a second of one call with all of them, the best of three.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from command_line import parsed, sets_parser
from peers.ours import Ours, build
from vectors import documents_of, queries_of

ROUNDS = 3


def main() -> None:
    options = _options()
    for name in options.sets:
        documents = documents_of(name, options.collections, options.cache)
        if options.load == "memory":
            documents = documents.in_memory()
        ours = build(documents, options.cache)
        queries = queries_of(name, options.collections, options.cache, extra=options.queries)[: options.most]
        prepared = [ours.prepare(query) for query in queries]
        for k in options.k:
            for row in (
                *_one_by_one(ours, prepared, k, options.threads),
                *_batch(ours, prepared, k, options.threads),
            ):
                print(json.dumps({"set": documents.name, "k": k} | row), flush=True)


def _options() -> argparse.Namespace:
    parser = sets_parser(__doc__)
    parser.add_argument("--k", nargs="+", type=int, default=[10, 1000])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    return parsed(parser)


def _one_by_one(
    ours: Ours, prepared: Sequence[Any], k: int, threads: Sequence[int]
) -> Iterator[dict[str, Any]]:
    best = np.full((len(threads), len(prepared)), np.inf)
    for _ in range(ROUNDS):
        for row, n in zip(best, threads, strict=True):
            for at, query in enumerate(prepared):
                begin = time.perf_counter()
                ours.searcher.search(*query, k, threads=n)
                row[at] = min(row[at], time.perf_counter() - begin)
    for row, n in zip(best, threads, strict=True):
        yield {
            "part": "query",
            "threads": n,
            "median_us": round(float(np.median(row)) * 1e6, 1),
            "p99_us": round(float(np.percentile(row, 99)) * 1e6, 1),
            "ratio": round(float(np.median(row) / np.median(best[0])), 3),
        }


def _batch(ours: Ours, prepared: Sequence[Any], k: int, threads: Sequence[int]) -> Iterator[dict[str, Any]]:
    indptr = np.cumsum([0, *(len(terms) for _, terms, _ in prepared)]).astype(np.int64)
    parts = [np.concatenate(part) for part in zip(*prepared, strict=True)]
    best = dict.fromkeys(threads, np.inf)
    for _ in range(ROUNDS):
        for n in threads:
            begin = time.perf_counter()
            ours.searcher.search_batch(indptr, *parts, k, threads=n)
            best[n] = min(best[n], time.perf_counter() - begin)
    for n, seconds in best.items():
        yield {
            "part": "batch",
            "threads": n,
            "queries_per_second": round(len(prepared) / seconds),
            "ratio": round(best[threads[0]] / seconds, 3),
        }


if __name__ == "__main__":
    main()
