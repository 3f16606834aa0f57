"""The fast mode beside the exact one and beside Seismic, at the same measured recall.

    python bench/fast.py --sets msmarco-dl:1000000 --engines seismic

The queries are halved. What answers one half was chosen on the other, so all are measured and none chose for
itself: ours as `lsr tune` chooses, Seismic's settings over a grid round what its authors advise; each the
fastest whose recall is above the wish by its standard error. All are timed in turn, each after a pass that is
not timed: medians are of the best of three rounds, one thread, a query a call.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from command_line import parsed, sets_parser
from lsr.indexer.approximation import Approximation
from peers import QueryVector, builders
from peers.ours import Ours
from vectors import Documents, documents_of, queries_of

from lsr.tuning import Scored, Trial, recalls_of

QUERY_CUTS = (5, 8, 10, 15, 20, 30)
HEAP_FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
ROUNDS = 3


@dataclass(frozen=True)
class Answer:
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """One way to answer the queries: by half, how it is called and with what."""

    facts: dict[str, Any]
    searches: Sequence[Callable[[Any], Any]]
    queries: Sequence[Sequence[Any]]

    def seconds(self) -> npt.NDArray[np.float64]:
        """Of each query, the first half's before the second's."""
        times = []
        for search, queries in zip(self.searches, self.queries, strict=True):
            for query in queries:
                begin = time.perf_counter()
                search(query)
                times.append(time.perf_counter() - begin)
        return np.array(times)


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
            print(json.dumps({"set": documents.name, "k": options.k, "queries": len(order)} | row), flush=True)


def _options() -> argparse.Namespace:
    parser = sets_parser(__doc__)
    parser.add_argument("--engines", nargs="*", default=[], choices=["seismic"], help="beside ours")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--recalls", nargs="+", type=float, default=[0.99])
    return parsed(parser)


def _measure(
    documents: Documents, halves: Sequence[Sequence[QueryVector]], options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    ours = builders()["lsr"](documents, options.cache / documents.name)
    assert isinstance(ours, Ours)
    prepared = [[ours.prepare(query) for query in half] for half in halves]

    def exactly(query: Any) -> Any:
        return ours.searcher.search(*query, options.k)

    truths = [[Answer(exactly(query)[1]) for query in half] for half in prepared]
    contenders = [Contender({"engine": "lsr exact", "wished": None, "recall": 1.0}, [exactly] * 2, prepared)]
    contenders += _ours(ours, prepared, truths, options)
    if "seismic" in options.engines:
        contenders += _seismic(documents, halves, ours, truths, options)
    times = _time_in_turn(contenders)
    for contender, seconds in zip(contenders, times, strict=True):
        yield contender.facts | _figures(seconds * 1e6, times[0] * 1e6)


def _ours(
    ours: Ours,
    prepared: Sequence[Sequence[Any]],
    truths: Sequence[Sequence[Answer]],
    options: argparse.Namespace,
) -> Iterator[Contender]:
    def search(query: Any, settings: Approximation | None) -> Any:
        return ours.searcher.search(*query, options.k, approximation=settings)

    trials = [
        Trial(lambda at, settings, half=half: Answer(search(half[at], settings)[1]), len(half))
        for half in prepared
    ]
    for wished in options.recalls:
        chosen = [trial.fastest(wished) for trial in reversed(trials)]  # for each half, on the other
        searches = [lambda query, settings=settings: search(query, settings) for settings in chosen]
        found = [
            [Answer(answer(query)[1]) for query in half]
            for answer, half in zip(searches, prepared, strict=True)
        ]
        recall, _ = _mean_recall([*found[0], *found[1]], [*truths[0], *truths[1]])
        facts = {"engine": "lsr fast", "wished": wished, "recall": recall}
        settings = [{"keep": each.keep, "gamma": each.gamma} for each in chosen]
        yield Contender(facts | {"settings": settings}, searches, prepared)


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

    def found(settings: Settings, half: int) -> list[Answer]:
        """Our exact scores of what it found."""
        return [
            Answer(ours.searcher.scores(np.array(search(query, settings), np.int64), *ours.prepare(vector)))
            for query, vector in zip(prepared[half], halves[half], strict=True)
        ]

    def chosen(wished: float, half: int) -> Settings:
        """The fastest that reaches it on a half, else the one nearest to it."""
        reached, nearest = [], []
        for in_order, cut in itertools.product((True, False), QUERY_CUTS):
            for heap in HEAP_FACTORS:
                settings = Settings(cut, heap, in_order)
                mean, error = _mean_recall(found(settings, half), truths[half])
                nearest.append((mean, settings))
                if mean - error >= wished:
                    searches = [lambda query, settings=settings: search(query, settings)]
                    median = float(np.median(Contender({}, searches, [prepared[half]]).seconds()))
                    reached.append((median, settings))
                    break  # lower factors only take longer
        key: Callable[[tuple[float, Settings]], float] = lambda pair: pair[0]  # noqa: E731
        return min(reached, key=key)[1] if reached else max(nearest, key=key)[1]

    example = [(None, [Settings()] * 2)]
    for wished, pair in [
        *example,
        *((wished, [chosen(wished, 1), chosen(wished, 0)]) for wished in options.recalls),
    ]:
        recall, _ = _mean_recall([*found(pair[0], 0), *found(pair[1], 1)], [*truths[0], *truths[1]])
        facts = {"engine": "seismic", "wished": wished, "recall": recall}
        yield Contender(
            facts | {"settings": [asdict(each) for each in pair], "bytes_per_posting": bytes_per_posting},
            [lambda query, settings=settings: search(query, settings) for settings in pair],
            prepared,
        )


def _time_in_turn(contenders: Sequence[Contender]) -> list[npt.NDArray[np.float64]]:
    """Seconds of each query: of the best of its rounds, in which the contenders follow each other. Each answers
    all untimed first, so that it finds its own data in the caches and not another's.
    """
    best = [np.full(sum(map(len, contender.queries)), np.inf) for contender in contenders]
    for _ in range(ROUNDS):
        for at, contender in enumerate(contenders):
            contender.seconds()
            np.minimum(best[at], contender.seconds(), out=best[at])
    return best


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
