"""Search every judged query of a dataset with one or more systems, and measure the answers.

Searches through the pipeline's own stages, in batches; only the latency is measured query by query.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from lsr.eval.environment import environment
from lsr.eval.measures import DEFAULT_MEASURES, Qrels, evaluate_run, parse_measures, required_depth
from lsr.eval.results import (
    EvaluationResult,
    FieldOfSystem,
    Latency,
    NonZeros,
    SelfMatches,
    System,
    estimate,
)

from lsr.errors import InvalidArgumentError
from lsr.passages import document_ids, n_documents
from lsr.pipeline import default_weights, encode, retrieve, tuned_for

if TYPE_CHECKING:
    from lsr.data.documents import Query
    from lsr.eval.runs import Run
    from lsr.indexer.collection import Collection, Hits

    from lsr.fields import QueryVectors
    from lsr.pipeline import Pipeline
    from lsr.requests import Mode

LATENCY_K = 10  # hits of a timed query: a page, as people search; measures look deeper
TIMED_QUERIES = 500  # more do not change the percentiles, only the time it takes


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries with judgements. Judgements of queries not among ``queries`` are left out and counted."""

    name: str
    queries: Sequence[Query]
    qrels: Qrels

    @property
    def judged(self) -> list[Query]:
        return [query for query in self.queries if query.id in self.qrels]


def require_judged(dataset: Judged) -> list[Query]:
    """The queries with judgements. Raises InvalidArgumentError if there are none."""
    queries = dataset.judged
    if not queries:
        raise InvalidArgumentError(
            f"{dataset.name}: no query of {len(dataset.queries):,} has a judgement;"
            " check that queries and judgements belong together"
        )
    return queries


@dataclass(frozen=True, slots=True)
class SystemChoice:
    """A system to evaluate: a name for tables, and each field's weight in the sum."""

    name: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SystemRun:
    """A system's result and the ranked lists it was computed from."""

    result: EvaluationResult
    run: Run


def default_systems(collection: Collection) -> list[SystemChoice]:
    """Each field alone, then, where the index sums several, their sum as recorded."""
    alone = [SystemChoice(info.name, {info.name: 1.0}) for info in collection.fields]
    weights = default_weights(collection)
    return [*alone, SystemChoice("sum", weights)] if len(weights) > 1 else alone


def evaluate(
    pipeline: Pipeline,
    dataset: Judged,
    systems: Sequence[SystemChoice],
    *,
    seed: int = 0,
    measures: Sequence[str] = DEFAULT_MEASURES,
    self_matches: SelfMatches = "kept",
    threads: int = 1,
    mode: Mode = "exact",
    recall: float | None = None,
) -> list[SystemRun]:
    """One result for each of ``systems``, in order.

    self_matches: "removed" drops the hit with the query's own id (sets like ArguAna: queries are documents)
    seed:         of the intervals
    threads:      for searching; the latency is measured on one
    mode, recall: of the searches, as in a request
    Raises InvalidArgumentError for an unknown measure, or a dataset without a judged query.
    """
    parsed = parse_measures(measures)
    queries = require_judged(dataset)
    depth = required_depth(parsed) + (self_matches == "removed")
    fields = list(dict.fromkeys(name for system in systems for name in system.weights))
    vectors = encode(pipeline.encoders, [query.text for query in queries], fields)
    statistics = _FieldStatistics.of(pipeline.collection, vectors)
    qrels = {query.id: dataset.qrels[query.id] for query in queries}
    runs = []
    for system in systems:
        used = {name: vectors[name] for name in system.weights}
        search = _Search(pipeline.collection, used, system.weights, mode, recall)
        hits = search(depth, threads=threads)
        run = _as_run(pipeline.collection, queries, hits, self_matches)
        values = evaluate_run(run, qrels, parsed)
        result = EvaluationResult(
            dataset=dataset.name,
            system=_described(system, pipeline.collection, mode),
            values=values,
            measures={name: estimate(each, seed) for name, each in values.items()},
            queries=len(dataset.queries),
            judged_queries=len(queries),
            unknown_queries=len(dataset.qrels) - len(queries),
            documents=n_documents(pipeline.collection),
            truncated=pipeline.collection.manifest.counts.get("truncated"),
            split=pipeline.collection.manifest.counts.get("split"),
            self_matches=self_matches,
            non_zeros=statistics.non_zeros(system.weights),
            flops=statistics.flops_of(system.weights),
            latency_ms=_latency(search),
            index_bytes=pipeline.collection.size_bytes,
            environment=environment(threads),
        )
        runs.append(SystemRun(result, run))
    return runs


def _as_run(
    collection: Collection, queries: Sequence[Query], hits: Sequence[Hits], self_matches: SelfMatches
) -> dict[str, list[tuple[str, float]]]:
    found_numbers = np.unique(np.concatenate([found.numbers for found in hits]))
    id_of = dict(zip(found_numbers.tolist(), document_ids(collection, found_numbers), strict=True))
    run = {}
    for query, found in zip(queries, hits, strict=True):
        ranking = [
            (id_of[number], score)
            for number, score in zip(found.numbers.tolist(), found.scores.tolist(), strict=True)
        ]
        if self_matches == "removed":
            ranking = [(document, score) for document, score in ranking if document != query.id]
        run[query.id] = ranking
    return run


def _described(system: SystemChoice, collection: Collection, mode: Mode) -> System:
    encoders = {info.name: str(info.encoder.get("name", info.name)) for info in collection.fields}
    return System(
        system.name,
        tuple(FieldOfSystem(name, encoders[name], weight) for name, weight in system.weights.items()),
        mode=mode,
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """The queries of one system, ready to be searched."""

    collection: Collection
    vectors: Mapping[str, QueryVectors]
    weights: Mapping[str, float]
    mode: Mode
    recall: float | None

    def __call__(self, k: int, *, threads: int = 1) -> list[Hits]:
        tuned = tuned_for(self.collection, self.mode, self.recall, self.weights, k)
        settings = None if tuned is None else tuned.approximation
        return retrieve(self.collection, self.vectors, k, self.weights, approximation=settings, threads=threads)

    def only(self, at: int) -> _Search:
        return replace(self, vectors={name: each.rows(at, at + 1) for name, each in self.vectors.items()})


def _latency(search: _Search) -> Latency:
    took = []
    for at in range(min(TIMED_QUERIES, *(len(each) for each in search.vectors.values()))):
        one = search.only(at)
        started = time.perf_counter()
        one(LATENCY_K)
        took.append((time.perf_counter() - started) * 1000)
    return Latency.of(took)


@dataclass(frozen=True, slots=True)
class _FieldStatistics:
    """By field: mean non-zeros of documents and queries, and the expected number of their common terms."""

    documents: Mapping[str, float]
    queries: Mapping[str, float]
    flops: Mapping[str, float]

    @classmethod
    def of(cls, collection: Collection, queries: Mapping[str, QueryVectors]) -> _FieldStatistics:
        sizes = {info.name: info.nnz_per_document for info in collection.fields}
        return cls(
            {name: sizes[name] for name in queries},
            {name: each.nnz / max(1, len(each)) for name, each in queries.items()},
            {name: _expected_products(collection, name, each) for name, each in queries.items()},
        )

    def non_zeros(self, fields: Mapping[str, float]) -> NonZeros:
        documents = sum(self.documents[name] for name in fields)
        return NonZeros(documents, sum(self.queries[name] for name in fields))

    def flops_of(self, fields: Mapping[str, float]) -> float:
        return sum(self.flops[name] for name in fields)


def _expected_products(collection: Collection, field: str, queries: QueryVectors) -> float:
    """Products that scoring one query against one document takes on average.

    Source: Paria et al., https://arxiv.org/abs/2004.05665, as SPLADE reports it.
    """
    n_terms = len(collection.vocabulary(field))
    in_documents = np.zeros(n_terms, np.int64)
    n_documents = 0
    for ids, vectors in collection.vectors(field):
        in_documents += np.bincount(vectors.terms, minlength=n_terms)
        n_documents += len(ids)
    in_queries = np.bincount(queries.terms, minlength=n_terms)
    return float(in_documents @ in_queries) / (max(1, n_documents) * max(1, len(queries)))
