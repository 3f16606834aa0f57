"""``lsr tune``: the settings of the fast mode that give the recall one wishes for, found on queries.

Queries are split in two. On one half, settings are chosen: the fastest whose recall is above the wish by more
than its standard error. On the other the recall is measured that answers and ``lsr info`` then speak of. A text
that occurs several times is in one half only, so nothing is measured on what was chosen on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from lsr.characters import check_strings
from lsr.errors import InvalidArgumentError
from lsr.pipeline import Pipeline, encode
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.indexer.approximation import Approximation
    from lsr.indexer.collection import Collection
    from lsr.indexer.fast import QuerySource, Tuned
    from lsr.indexer.queries import MergedQueries

RECALLS = (0.9, 0.95, 0.99, 0.999)
DEPTHS = (10, 100, 1000)
KEEPS = (1.0, 0.98, 0.96, 0.94, 0.92, 0.9, 0.87, 0.84, 0.8, 0.75, 0.7, 0.6, 0.5)
GAMMAS = (1.0, 0.98, 0.96, 0.94, 0.92, 0.9, 0.87, 0.84, 0.8, 0.75, 0.7, 0.6, 0.5)

LEAST_QUERIES = 20
"""Distinct texts: fewer say nothing about a share."""

FINALISTS = 3  # settings that reach the recall and are timed beside exact search
ROUNDS = 3  # timed passes over the queries, in which those take turns
WORTH = 1.03  # settings that are not this many times faster than exact are not worth a missed hit


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What was found, and the generation that holds it. queries: of both halves."""

    path: str
    generation: int
    source: str
    queries: int
    tuned: Sequence[Tuned]


def tune_index(
    index: Path,
    texts: Sequence[str],
    source: QuerySource,
    *,
    fields: Mapping[str, float] | None = None,
    recalls: Sequence[float] = RECALLS,
    depths: Sequence[int] = DEPTHS,
    model: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> TuneReport:
    """Tune an index on texts of queries and record what was found in its manifest.

    Raises InvalidArgumentError for too few texts or changes that wait for a commit, IndexLockedError if
    somebody else is writing, UnfinishedBuildError.
    """
    from lsr.indexer.fast import SETTING, check_recall, merged
    from lsr.indexer.writer import CollectionWriter

    wished = sorted({check_recall(each) for each in recalls})
    _check_texts(texts, source)
    pipeline = Pipeline.open(
        index, model=model, fields=None if fields is None else list(fields), threads=threads
    )
    with CollectionWriter.open(index) as writer:  # before the long part: nobody else may be writing
        writer.require_recordable()
        tuned = tune(
            pipeline,
            texts,
            source,
            fields=fields,
            recalls=wished,
            depths=depths,
            rng=np.random.default_rng(seed),
            progress=progress,
        )
        everything = merged(pipeline.collection.tuned, tuned)
        generation = writer.record(SETTING, [each.to_json() for each in everything])
    return TuneReport(str(index), generation, source, len(texts), tuned)


def tune(
    pipeline: Pipeline,
    texts: Sequence[str],
    source: QuerySource,
    *,
    fields: Mapping[str, float] | None,
    recalls: Sequence[float],
    depths: Sequence[int],
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Tuned]:
    """Settings for each depth and recall; ``progress`` is told of each."""
    from lsr.indexer.fast import Tuned

    collection, weights = pipeline.collection, pipeline.summed(fields)
    halves = [
        collection.prepare(encode(pipeline.encoders, half, list(weights)), weights=weights)
        for half in split(texts, rng)
    ]
    result = []
    for k in sorted(set(depths)):
        choosing, reporting = (Trial(searcher(collection, half, k), len(half)) for half in halves)
        for recall in recalls:
            settings = choosing.fastest(recall)
            exact, fast = reporting.seconds([None, settings])
            result.append(
                Tuned(
                    recall=recall,
                    k=k,
                    fields=dict(weights),
                    approximation=settings,
                    measured=round(reporting.outcome(settings).recall, 6),
                    speed_up=round(exact / fast, 3),
                    queries=len(halves[1]),
                    source=source,
                    documents=collection.n_documents,
                )
            )
            progress(1)
    return result


def split(texts: Sequence[str], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Two halves by distinct text; one that occurs several times counts as often, all in its half."""
    distinct = list(dict.fromkeys(texts))
    order = rng.permutation(len(distinct))
    first = {distinct[at] for at in order[: len(distinct) // 2]}
    return [text for text in texts if text in first], [text for text in texts if text not in first]


@dataclass(frozen=True, slots=True)
class Outcome:
    """recall: mean over queries; error: its standard error; seconds: of the pass over them that found it."""

    recall: float
    error: float
    seconds: float


class Scored(Protocol):
    """An answer: its hits' scores, best first."""

    @property
    def scores(self) -> npt.NDArray[np.float64]: ...


Search = Callable[[int, "Approximation | None"], Scored]
"""Answers the query at a place, exactly for None."""


def searcher(collection: Collection, queries: MergedQueries, k: int) -> Search:
    """One query a call, as they are searched."""
    return lambda at, settings: collection.search_merged(queries.only(at), k, approximation=settings)[0]


class Trial:
    """Queries, their exact answers, and what settings make of them."""

    def __init__(self, search: Search, n_queries: int) -> None:
        self._search = search
        self._n_queries = n_queries
        self._exact, _ = self._answered(None)
        self._known: dict[Approximation, Outcome] = {}

    def outcome(self, settings: Approximation) -> Outcome:
        if settings not in self._known:
            found, seconds = self._answered(settings)
            recalls = np.array(list(recalls_of(found, self._exact)) or [1.0])
            error = float(recalls.std() / np.sqrt(len(recalls)))
            self._known[settings] = Outcome(float(recalls.mean()), error, float(seconds.sum()))
        return self._known[settings]

    def seconds(self, contenders: Sequence[Approximation | None]) -> list[float]:
        """Of one pass over the queries with each; None: exact. They take turns, so that a slow minute of the
        machine is everybody's, and of each query the fastest round counts.
        """
        best = np.full((len(contenders), self._n_queries), np.inf)
        for _ in range(ROUNDS):
            for row, settings in zip(best, contenders, strict=True):
                np.minimum(row, self._answered(settings)[1], out=row)
        return [float(row.sum()) for row in best]

    def fastest(self, recall: float) -> Approximation:
        """Of the settings that reach the recall. The fewer terms are read, the lower the bar has to be, so the
        border between enough and too little is walked along like a staircase. It begins at settings that leave
        nothing out, which always reach it.
        """
        from lsr.indexer.approximation import Approximation

        reached = []
        step = 0
        for keep in KEEPS:
            while step < len(GAMMAS) and not self._reaches(Approximation(keep, GAMMAS[step]), recall):
                step += 1
            if step == len(GAMMAS):
                break
            reached.append(Approximation(keep, GAMMAS[step]))
        finalists = sorted(reached, key=lambda settings: self.outcome(settings).seconds)[:FINALISTS]
        exact, *seconds = self.seconds([None, *finalists])
        if min(seconds) * WORTH >= exact:
            return Approximation()
        return finalists[seconds.index(min(seconds))]

    def _reaches(self, settings: Approximation, recall: float) -> bool:
        outcome = self.outcome(settings)
        return outcome.recall - outcome.error >= recall or outcome.recall == 1.0

    def _answered(self, settings: Approximation | None) -> tuple[list[Scored], npt.NDArray[np.float64]]:
        """The answers, and the seconds that each took."""
        found = []
        seconds = np.empty(self._n_queries)
        for at in range(self._n_queries):
            started = time.perf_counter()
            found.append(self._search(at, settings))
            seconds[at] = time.perf_counter() - started
        return found, seconds


def recalls_of(found: Sequence[Scored], exact: Sequence[Scored]) -> Iterator[float]:
    """The share of each query's exact hits that was found; a hit of the last one's score is as good as it."""
    for ours, truth in zip(found, exact, strict=True):
        if len(truth.scores):
            yield min(1.0, float((ours.scores >= truth.scores[-1]).sum()) / len(truth.scores))


def sampled_titles(collection: Collection, size: int, rng: np.random.Generator) -> list[str]:
    """Titles of documents drawn at random, in place of queries one does not have."""
    documents = collection.documents(collection.sample(size, rng))
    titles = [document.title.strip() for document in documents]
    found = [title for title in titles if title]
    if len(found) < LEAST_QUERIES:
        raise InvalidArgumentError(
            f"{collection.path}: {len(found)} of {len(documents)} sampled documents have a title, and at least"
            f" {LEAST_QUERIES} are needed; tune on a file of queries instead",
            field="titles",
        )
    return found


def _check_texts(texts: Sequence[str], source: str) -> None:
    check_strings(texts)
    distinct = len(set(texts))
    if distinct < LEAST_QUERIES:
        raise InvalidArgumentError(
            f"{source}: {counted(distinct, 'distinct text')}, too few to tell a recall by;"
            f" give at least {LEAST_QUERIES}, better a thousand",
            field="queries",
        )
