"""The fast mode beside the exact one and beside Seismic, at the same measured recall.

    python bench/fast.py --sets msmarco-dl:1000000 --engines seismic

Settings are chosen on one half of the queries and everything printed is measured on the other: ours as `lsr
tune` chooses them, Seismic's over a grid round what its authors advise; each the fastest whose recall is above
the wish by its standard error. All are timed in turn: medians are of the best of three rounds, one thread, a
query a call.
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
ROUNDS = 3


@dataclass(frozen=True)
class Answer:
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """One way to answer the queries of the second half: how it is called, and what its answers are worth."""

    facts: dict[str, Any]
    search: Callable[[Any], Any]
    queries: Sequence[Any]


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

    truths = [[Answer(exactly(query)[1]) for query in half] for half in prepared]
    contenders = [Contender({"engine": "lsr exact", "wished": None, "recall": 1.0}, exactly, prepared[1])]
    contenders += _ours(ours, prepared, truths, options)
    if "seismic" in options.engines:
        contenders += _seismic(documents, halves, ours, truths, options)
    times = _time_in_turn(contenders)
    for contender, us in zip(contenders, times, strict=True):
        yield contender.facts | _figures(us, times[0])


def _ours(
    ours: Ours,
    prepared: Sequence[Sequence[Any]],
    truths: Sequence[Sequence[Answer]],
    options: argparse.Namespace,
) -> Iterator[Contender]:
    choosing = Trial(
        lambda at, settings: Answer(
            ours.searcher.search(*prepared[0][at], options.k, approximation=settings)[1]
        ),
        len(prepared[0]),
    )
    for wished in options.recalls:
        settings = choosing.fastest(wished)

        def approximately(query: Any, settings: Approximation = settings) -> Any:
            return ours.searcher.search(*query, options.k, approximation=settings)

        recall, _ = _mean_recall([Answer(approximately(query)[1]) for query in prepared[1]], truths[1])
        facts = {"engine": "lsr fast", "wished": wished, "recall": recall}
        chosen = {"settings": {"keep": settings.keep, "gamma": settings.gamma}}
        yield Contender(facts | chosen, approximately, prepared[1])


def _seismic(
    documents: Documents,
    halves: Sequence[Sequence[QueryVector]],
    ours: Ours,
    truths: Sequence[Sequence[Answer]],
    options: argparse.Namespace,
) -> Iterator[Contender]:
    from peers.seismic import Seismic, Settings

    engine = builders()["seismic"](documents, options.cache / documents.name)
    assert isinstance(engine, Seismic)
    prepared = [[engine.prepare(query) for query in half] for half in halves]
    bytes_per_posting = round(engine.size_bytes / documents.nnz, 2)

    def search(query: Any, settings: Settings) -> Any:
        engine.settings = settings
        return engine.search(query, options.k)

    def recall_of(settings: Settings, half: int) -> tuple[float, float]:
        """Its mean and standard error, by our exact scores of what it found."""
        found = [
            Answer(ours.searcher.scores(np.array(search(query, settings), np.int64), *ours.prepare(vector)))
            for query, vector in zip(prepared[half], halves[half], strict=True)
        ]
        return _mean_recall(found, truths[half])

    def chosen(wished: float) -> Settings:
        """The fastest that reaches it, else the one nearest to it."""
        reached, nearest = [], []
        for in_order, cut in itertools.product((True, False), QUERY_CUTS):
            for heap in HEAP_FACTORS:
                settings = Settings(cut, heap, in_order)
                mean, error = recall_of(settings, 0)
                nearest.append((mean, settings))
                if mean - error >= wished:
                    us = _time_all(lambda query, settings=settings: search(query, settings), prepared[0])
                    reached.append((float(np.median(us)), settings))
                    break  # lower factors only take longer
        key: Callable[[tuple[float, Settings]], float] = lambda pair: pair[0]  # noqa: E731
        return min(reached, key=key)[1] if reached else max(nearest, key=key)[1]

    for wished, settings in [(None, Settings()), *((wished, chosen(wished)) for wished in options.recalls)]:
        facts = {"engine": "seismic", "wished": wished, "recall": recall_of(settings, 1)[0]}
        yield Contender(
            facts | {"settings": asdict(settings), "bytes_per_posting": bytes_per_posting},
            lambda query, settings=settings: search(query, settings),
            prepared[1],
        )


def _time_in_turn(contenders: Sequence[Contender]) -> list[npt.NDArray[np.float64]]:
    """Microseconds of each query: of the best of its rounds, in which the contenders follow each other."""
    best = [np.full(len(contender.queries), np.inf) for contender in contenders]
    for _ in range(ROUNDS):
        for at, contender in enumerate(contenders):
            np.minimum(best[at], _time_all(contender.search, contender.queries), out=best[at])
    return best


def _time_all(search: Callable[[Any], Any], queries: Sequence[Any]) -> npt.NDArray[np.float64]:
    us = np.empty(len(queries))
    for at, query in enumerate(queries):
        begin = time.perf_counter()
        search(query)
        us[at] = (time.perf_counter() - begin) * 1e6
    return us


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
