"""What an evaluation says: one result for each system, and how sure the differences between them are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from lsr.eval.measures import QueryValues
from lsr.eval.significance import bootstrap_interval, holm, randomisation_test

SelfMatches = Literal["kept", "removed"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and the 95 % bootstrap interval around it."""

    mean: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True)
class FieldOfSystem:
    name: str
    encoder: str
    weight: float


@dataclass(frozen=True, slots=True)
class System:
    """What was searched with: the weighted sum of ``fields``."""

    name: str
    fields: tuple[FieldOfSystem, ...]
    mode: str = "exact"
    feedback: None = None


@dataclass(frozen=True, slots=True)
class NonZeros:
    """Mean non-zeros of a document and of a query, over the system's fields together."""

    documents: float
    queries: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one query alone on one thread, vectors in, document numbers out."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latency:
        p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99]) if milliseconds else (0.0, 0.0, 0.0)
        return cls(round(float(p50), 4), round(float(p95), 4), round(float(p99), 4))


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the figures come from. commit: None outside a git checkout."""

    commit: str | None
    version: str
    cpu: str
    threads: int
    python: str


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """One system on one dataset.

    values:        each measure for each judged query
    queries:       in the dataset's file for this split
    judged_queries: of these, the ones with a judgement: what the means are over
    unknown_queries: judged, but without a text in the dataset; left out of the means
    truncated:     texts longer than the encoder reads; None where the index does not tell
    split:         documents that were cut into passages; None likewise
    documents, non_zeros, flops, latency_ms, index_bytes: None for a run that was read from a file
    flops:         expected products for one query and one document: Σ over terms of P(in query)·P(in document)
    """

    dataset: str
    system: System
    values: Mapping[str, QueryValues]
    measures: Mapping[str, Estimate]
    queries: int
    judged_queries: int
    unknown_queries: int
    documents: int | None
    truncated: int | None
    split: int | None
    self_matches: SelfMatches
    non_zeros: NonZeros | None
    flops: float | None
    latency_ms: Latency | None
    index_bytes: int | None
    environment: Environment


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems on one measure, over the same queries.

    difference: mean of ``second`` minus mean of ``first``
    p_value:    paired randomisation test; p_holm: the same, corrected for all comparisons made on this measure
    wins, ties, losses: queries on which ``second`` is better than, equal to, worse than ``first``
    """

    measure: str
    first: str
    second: str
    difference: float
    p_value: float
    p_holm: float
    wins: int
    ties: int
    losses: int


def estimate(values: QueryValues, seed: int) -> Estimate:
    """Estimates of one seed draw the same queries: an interval does not depend on what else is measured."""
    mean = float(values.values.mean()) if len(values.values) else 0.0
    return Estimate(mean, bootstrap_interval(values.values, np.random.default_rng(seed)))


def compare(results: Sequence[EvaluationResult], seed: int) -> list[Comparison]:
    """Every pair of systems on every measure; the results must be of one dataset.

    Each test begins from ``seed``, so that a pair's p value does not depend on which others are compared.
    """
    found: list[Comparison] = []
    for measure in results[0].values if results else ():
        pairs = list(combinations(results, 2))
        p_values = [
            randomisation_test(
                one.values[measure].values, two.values[measure].values, np.random.default_rng(seed)
            )
            for one, two in pairs
        ]
        found += [
            _comparison(measure, one, two, p_value, p_holm)
            for (one, two), p_value, p_holm in zip(pairs, p_values, holm(p_values), strict=True)
        ]
    return found


def _comparison(
    measure: str, one: EvaluationResult, two: EvaluationResult, p_value: float, p_holm: float
) -> Comparison:
    differences = two.values[measure].values - one.values[measure].values
    return Comparison(
        measure=measure,
        first=one.system.name,
        second=two.system.name,
        difference=float(differences.mean()) if len(differences) else 0.0,
        p_value=p_value,
        p_holm=p_holm,
        wins=int(np.count_nonzero(differences > 0)),
        ties=int(np.count_nonzero(differences == 0)),
        losses=int(np.count_nonzero(differences < 0)),
    )


def to_json(
    result: EvaluationResult, comparisons: Sequence[Comparison] = (), *, per_query: bool = False
) -> dict[str, object]:
    """The documented JSON object of one system.

    comparisons: those of this system with the ones before it go under ``compared``
    per_query: also give each measure for each query
    """
    plain = (
        "queries",
        "judged_queries",
        "unknown_queries",
        "documents",
        "truncated",
        "split",
        "self_matches",
        "flops",
    )
    compared = [asdict(each) for each in comparisons if each.second == result.system.name]
    answer: dict[str, object] = {
        "dataset": result.dataset,
        "system": asdict(result.system),
        "measures": {name: asdict(each) for name, each in result.measures.items()},
        **{name: getattr(result, name) for name in (*plain, "index_bytes")},
        "non_zeros": asdict(result.non_zeros) if result.non_zeros else None,
        "latency_ms": asdict(result.latency_ms) if result.latency_ms else None,
        "environment": asdict(result.environment),
    }
    if compared:
        answer["compared"] = compared
    if per_query:
        answer["per_query"] = {
            name: dict(zip(each.query_ids, each.values.tolist(), strict=True))
            for name, each in result.values.items()
        }
    return answer
