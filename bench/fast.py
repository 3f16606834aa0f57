"""The fast mode beside the exact one and beside Seismic, at the same measured recall.

    python bench/fast.py --sets msmarco-dl:1000000 --engines seismic

Settings are chosen on one half of the queries and everything printed is measured on the other: ours as `lsr
tune` chooses them, Seismic's over a grid round what its authors advise; each the fastest whose recall is above
the wish by its standard error. Medians are of the better of two rounds, one thread, a query a call.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lsr.indexer.approximation import Approximation
from peers import QueryVector, builders
from peers.ours import Ours
from vectors import Documents, documents_of, queries_of

from lsr.tuning import Scored, Trial, recalls_of

HERE = Path(__file__).resolve().parent
QUERY_CUTS = (5, 8, 10, 15, 20, 30)
HEAP_FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
ROUNDS = 2


@dataclass(frozen=True)
class Answer:
    scores: npt.NDArray[np.float64]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _options()
    for name in options.sets:
        documents = documents_of(name, options.collections, options.cache)
        if options.load == "memory":
            documents = documents.in_memory()
        queries = queries_of(name, options.collections, options.cache, extra=options.queries)
        order = np.random.default_rng(0).permutation(len(queries))[: options.most]
        halves = [[queries[at] for at in half] for half in np.array_split(order, 2)]
        for row in _measure(documents, halves, options):
            print(
                json.dumps({"set": documents.name, "k": options.k, "queries": len(halves[1])} | row), flush=True
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", type=Path, default=os.environ.get("LSR_COLLECTIONS"))
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="where vectors are kept")
    parser.add_argument("--sets", nargs="+", default=["msmarco-dl"])
    parser.add_argument("--engines", nargs="*", default=[], choices=["seismic"], help="beside ours")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--recalls", nargs="+", type=float, default=[0.99])
    parser.add_argument(
        "--queries", type=int, default=1000, help="questions beside the collection's own queries"
    )
    parser.add_argument("--most", type=int, default=None, help="use no more queries than this in all")
    parser.add_argument("--load", choices=["map", "memory"], default="map")
    options = parser.parse_args()
    if options.collections is None:
        parser.error("name the folder of collections with --collections or LSR_COLLECTIONS")
    options.collections = Path(options.collections)
    return options


def _measure(
    documents: Documents, halves: Sequence[Sequence[QueryVector]], options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    ours = builders()["lsr"](documents, options.cache / documents.name)
    assert isinstance(ours, Ours)
    prepared = [[ours.prepare(query) for query in half] for half in halves]

    def exactly(query: Any) -> Any:
        return ours.searcher.search(*query, options.k)

    exact_us = _time_all(exactly, prepared[1])
    yield {"engine": "lsr exact", "wished": None, "recall": 1.0} | _figures(exact_us, exact_us)
    truths = [[Answer(exactly(query)[1]) for query in half] for half in prepared]
    choosing = Trial(
        lambda at, settings: Answer(
            ours.searcher.search(*prepared[0][at], options.k, approximation=settings)[1]
        ),
        len(prepared[0]),
    )
    for recall in options.recalls:
        settings = choosing.fastest(recall)

        def approximately(query: Any, settings: Approximation = settings) -> Any:
            return ours.searcher.search(*query, options.k, approximation=settings)

        found = [Answer(approximately(query)[1]) for query in prepared[1]]
        yield {
            "engine": "lsr fast",
            "wished": recall,
            "recall": _mean_recall(found, truths[1])[0],
            "settings": {"keep": settings.keep, "gamma": settings.gamma},
        } | _figures(_time_all(approximately, prepared[1]), exact_us)
    if "seismic" in options.engines:
        yield from _seismic(documents, halves, ours, truths, exact_us, options)


def _seismic(
    documents: Documents,
    halves: Sequence[Sequence[QueryVector]],
    ours: Ours,
    truths: Sequence[Sequence[Answer]],
    exact_us: npt.NDArray[np.float64],
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    from peers.seismic import Seismic, Settings

    engine = builders()["seismic"](documents, options.cache / documents.name)
    assert isinstance(engine, Seismic)
    prepared = [[engine.prepare(query) for query in half] for half in halves]

    def tried(settings: Settings, half: int) -> tuple[float, float, npt.NDArray[np.float64]]:
        """Mean recall, its standard error, microseconds."""
        engine.settings = settings
        found = [
            Answer(
                ours.searcher.scores(np.array(engine.search(query, options.k), np.int64), *ours.prepare(vector))
            )
            for query, vector in zip(prepared[half], halves[half], strict=True)
        ]
        us = _time_all(lambda query: engine.search(query, options.k), prepared[half])
        return *_mean_recall(found, truths[half]), us

    def chosen(recall: float) -> Settings:
        """The fastest that reaches it, else the one nearest to it."""
        reached, nearest = [], []
        for in_order, cut in itertools.product((True, False), QUERY_CUTS):
            for heap in HEAP_FACTORS:
                settings = Settings(cut, heap, in_order)
                mean, error, us = tried(settings, 0)
                nearest.append((mean, settings))
                if mean - error >= recall:
                    reached.append((float(np.median(us)), settings))
                    break  # lower factors only take longer
        key: Callable[[tuple[float, Settings]], float] = lambda pair: pair[0]  # noqa: E731
        return min(reached, key=key)[1] if reached else max(nearest, key=key)[1]

    for wished, settings in [(None, Settings()), *((recall, chosen(recall)) for recall in options.recalls)]:
        recall, _, us = tried(settings, 1)
        yield {
            "engine": "seismic",
            "wished": wished,
            "recall": recall,
            "settings": asdict(settings),
        } | _figures(us, exact_us)
    yield {"engine": "seismic", "bytes_per_posting": round(engine.size_bytes / documents.nnz, 2)}


def _time_all(search: Callable[[Any], Any], queries: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Microseconds of each query: of the better of its rounds."""
    best = np.full(len(queries), np.inf)
    for _ in range(ROUNDS):
        for at, query in enumerate(queries):
            begin = time.perf_counter()
            search(query)
            best[at] = min(best[at], time.perf_counter() - begin)
    return best * 1e6


def _figures(us: npt.NDArray[np.float64], exact_us: npt.NDArray[np.float64]) -> dict[str, float]:
    return {
        "median_us": round(float(np.median(us)), 1),
        "p99_us": round(float(np.percentile(us, 99)), 1),
        "times_faster_than_exact": round(float(np.median(exact_us) / np.median(us)), 2),
    }


def _mean_recall(found: Sequence[Scored], truth: Sequence[Scored]) -> tuple[float, float]:
    """The mean and its standard error."""
    shares = np.array(list(recalls_of(found, truth)))
    return round(float(shares.mean()), 4), float(shares.std() / np.sqrt(len(shares)))


if __name__ == "__main__":
    main()
