"""Measures by the names of ir-measures (``nDCG@10``, ``AP(rel=2)``), computed by ir-measures.

nDCG has linear gains (trec_eval's), not exponential ones; say ``nDCG(dcg='exp-log2')@10`` for the latter.
A judged query without a single hit counts as zero: leaving it out would reward a system that finds nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsr.errors import InvalidArgumentError

if TYPE_CHECKING:
    import ir_measures
    from lsr.eval.runs import Run

Float64Array = npt.NDArray[np.float64]
Qrels = Mapping[str, Mapping[str, int]]

DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10", "AP")
UNCUT_DEPTH = 1000  # what a measure without a cutoff (AP) sees of a ranking: TREC's habit

# What people write for the field's measures; the right-hand side is what ir-measures calls them.
_FAMILIAR = {
    "ndcg": "nDCG",
    "recall": "R",
    "mrr": "RR",
    "map": "AP",
    "precision": "P",
    "hit": "Success",
    "hits": "Success",
    "hitrate": "Success",
    "acc": "Success",
}


@dataclass(frozen=True, slots=True)
class QueryValues:
    """One measure's value for each judged query.

    query_ids: in the order of ``values``; the same for every measure and system compared
    values:    float64, shape (len(query_ids),)
    """

    query_ids: tuple[str, ...]
    values: Float64Array


def parse_measure(name: str) -> ir_measures.Measure:
    """The measure called ``name``. Raises InvalidArgumentError that suggests the name probably meant."""
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
    except (NameError, ValueError, TypeError, KeyError) as error:
        raise InvalidArgumentError(f"unknown measure {name!r}{_suggestion(name)}", field="measures") from error
    if not ir_measures.DefaultPipeline.supports(measure):
        raise InvalidArgumentError(
            f"measure {name!r} is known, but nothing installed computes it (ir-measures has it from an optional"
            " package); leave it out or install that package",
            field="measures",
        )
    return measure


def parse_measures(names: Sequence[str]) -> list[ir_measures.Measure]:
    """All of ``names``, in order, without repeats. Raises InvalidArgumentError if there is none."""
    measures = list(dict.fromkeys(parse_measure(name) for name in names))
    if not measures:
        raise InvalidArgumentError(
            f"no measure given; for example {', '.join(DEFAULT_MEASURES)}", field="measures"
        )
    return measures


def required_depth(measures: Sequence[ir_measures.Measure]) -> int:
    """How many hits of each query the measures look at: the largest cutoff, 1,000 for one without."""
    return max(_cutoff(measure) or UNCUT_DEPTH for measure in measures)


def evaluate_run(run: Run, qrels: Qrels, measures: Sequence[ir_measures.Measure]) -> dict[str, QueryValues]:
    """Every measure for every query of ``qrels``, keyed by the measure's name.

    Only the order of a ranking counts, not its scores, so no tool's rule for ties can change it.
    """
    import ir_measures

    query_ids = tuple(qrels)
    position = {query_id: at for at, query_id in enumerate(query_ids)}
    values = {str(measure): np.zeros(len(query_ids)) for measure in measures}
    ranked = {
        query_id: {document: float(-rank) for rank, (document, _) in enumerate(run[query_id], start=1)}
        for query_id in query_ids
        if run.get(query_id)
    }
    for metric in ir_measures.iter_calc(list(measures), qrels, ranked):
        values[str(metric.measure)][position[metric.query_id]] = metric.value
    return {name: QueryValues(query_ids, array) for name, array in values.items()}


def _cutoff(measure: ir_measures.Measure) -> int | None:
    cutoff = measure.params.get("cutoff")
    return int(cutoff) if cutoff is not None else None


def _suggestion(name: str) -> str:
    import ir_measures

    stem, at, cutoff = name.partition("@")
    known = sorted(set(ir_measures.measures.registry))
    family = _FAMILIAR.get(stem.lower().replace("_", "").replace("-", ""))
    if family is None:
        near = difflib.get_close_matches(stem, known, n=1, cutoff=0.6)
        family = near[0] if near else None
    if family is None:
        return f"; measures are written as {', '.join(DEFAULT_MEASURES)}, P@5, Success@10, AP(rel=2)"
    return f"; did you mean {family}{at}{cutoff if cutoff.isdigit() else '10' if at else ''}?"
