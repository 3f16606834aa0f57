"""The engine beside other engines, on the same vectors, in one run and on one thread.

    python bench/engine.py --sets msmarco-dl msmarco-dl:1000000

Each set is a collection, or ``collection:n`` for n synthetic documents mixed from it. For every engine and k:
the median and the 99th percentile over the queries of the best of its rounds, the call from Python included;
recall against the reference scorer; bytes a posting; seconds to build. Engines take turns in blocks of all
queries, first untimed, so that each finds its own data in the caches as far as they fit, as in a service, and
not another's. What is not installed is reported as absent.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from command_line import parsed, sets_parser
from lsr.indexer.kernels import FieldView, Searcher, SegmentView, build_lists, supported_isa
from peers import Engine, QueryVector, TimesItself, builders
from peers.ours import Ours
from vectors import Documents, documents_of, queries_of

logger = logging.getLogger(__name__)

RECALLED = 50  # queries whose recall is checked: the reference scorer reads every document


@dataclass(frozen=True)
class Row:
    """One engine at one k on one set of documents."""

    set: str
    engine: str
    k: int
    median_us: float
    p99_us: float
    recall: float | None
    bytes_per_posting: float
    build_seconds: float


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _options()
    for name in options.sets:
        documents = documents_of(name, options.collections, options.cache)
        queries = queries_of(name, options.collections, options.cache, extra=options.queries)
        queries = queries[:: -(-len(queries) // (options.most or len(queries)))]
        if options.load == "memory":
            documents = documents.in_memory()
        engines = _build_all(documents, options.engines, options.isas, options.cache / documents.name)
        print(json.dumps({"set": documents.name, "call_us": _call_us()}), flush=True)
        for k in options.k:
            rows = _measure(documents, engines, queries, k, options)
            for row in rows:
                times_ours = round(row.median_us / rows[0].median_us, 2)
                print(json.dumps(asdict(row) | {"times_ours": times_ours}), flush=True)


def _options() -> argparse.Namespace:
    parser = sets_parser(__doc__)
    parser.add_argument("--engines", nargs="+", default=list(builders()), choices=list(builders()))
    parser.add_argument("--k", nargs="+", type=int, default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--isas", nargs="*", default=_lower_isas(), help="lower instruction sets to measure ours with, too"
    )
    parser.add_argument(
        "--recalled", type=int, default=RECALLED, help="queries whose recall is checked; 0: none"
    )
    return parsed(parser)


Built = tuple[Engine, float]


def _build_all(documents: Documents, names: Sequence[str], isas: Sequence[str], folder: Path) -> list[Built]:
    """The engines that can be built, each with its build time; ours first, and for each instruction set."""
    built: list[Built] = []
    for name in names:
        logger.info("%s: building %s", documents.name, name)
        begin = time.perf_counter()
        try:
            engine = builders()[name](documents, folder)
        except ImportError as error:
            print(
                json.dumps({"set": documents.name, "engine": name, "absent": f"{error.name} is not installed"})
            )
            continue
        built.append((engine, time.perf_counter() - begin))
        if isinstance(engine, Ours):
            built += [(engine.with_isa(isa), built[-1][1]) for isa in isas]
    return built


def _lower_isas() -> list[str]:
    levels = ["scalar", "avx2", "avx512"]
    return levels[: levels.index(supported_isa())]


def _measure(
    documents: Documents,
    engines: Sequence[Built],
    queries: Sequence[QueryVector],
    k: int,
    options: argparse.Namespace,
) -> list[Row]:
    prepared = [[engine.prepare(query) for query in queries] for engine, _ in engines]
    best = np.full((len(engines), len(queries)), np.inf)
    for round_ in range(options.rounds):
        for at, (engine, _) in enumerate(engines):
            logger.info("%s: k = %d, round %d, %s", documents.name, k, round_ + 1, engine.name)
            _time_all(engine, prepared[at], k)
            np.minimum(best[at], _time_all(engine, prepared[at], k), out=best[at])
    recalled = queries[: options.recalled]
    truth = _truth(documents, recalled, k) if recalled else []
    rows = []
    for at, (engine, seconds) in enumerate(engines):
        found = [engine.search(query, k) for query in prepared[at][: len(recalled)]]
        rows.append(
            Row(
                set=documents.name,
                engine=engine.name,
                k=k,
                median_us=round(float(np.median(best[at])), 1),
                p99_us=round(float(np.percentile(best[at], 99)), 1),
                recall=round(_recall(truth, found), 4) if recalled else None,
                bytes_per_posting=round(engine.size_bytes / documents.nnz, 2),
                build_seconds=round(seconds, 2),
            )
        )
    return rows


def _time_all(engine: Engine, prepared: Sequence[object], k: int) -> np.ndarray:
    """Microseconds of each query, one after the other."""
    if isinstance(engine, TimesItself):
        return engine.time_all(prepared, k)
    seconds = np.empty(len(prepared))
    for at, query in enumerate(prepared):
        begin = time.perf_counter()
        engine.search(query, k)
        seconds[at] = time.perf_counter() - begin
    return seconds * 1e6


def _truth(documents: Documents, queries: Sequence[QueryVector], k: int) -> list[set[int]]:
    vectors = FieldView(documents.indptr, documents.terms, documents.weights, _no_lists(len(documents)))
    ours = Ours(SegmentView(len(documents), [vectors]), 0)
    return [set(ours.searcher.reference(*ours.prepare(query), k)[0].tolist()) for query in queries]


def _no_lists(n_documents: int) -> dict[str, np.ndarray]:
    """Lists that hold nothing: the reference scorer reads vectors only."""
    lists = build_lists(np.zeros(1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.float32), n_terms=0)
    return lists | {"layout": np.array([lists["layout"][0], n_documents])}


def _call_us() -> float:
    """What a call of ours costs from Python before anything is searched: a query without terms."""
    empty = FieldView(np.zeros(2, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.float32), _no_lists(1))
    searcher = Searcher([SegmentView(1, [empty])])
    nothing = (np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    times = []
    for _ in range(2000):
        begin = time.perf_counter()
        searcher.search(*nothing, 10)
        times.append(time.perf_counter() - begin)
    return round(float(np.median(times)) * 1e6, 2)


def _recall(truth: Sequence[set[int]], found: Sequence[Sequence[int]]) -> float:
    shares = [
        len(right & {int(row) for row in rows}) / len(right)
        for right, rows in zip(truth, found, strict=True)
        if right
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
