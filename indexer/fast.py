"""The fast mode: approximate search, set by the recall one wishes for.

``lsr tune`` finds, for a wished recall, the scorer's settings on real queries, and keeps them in the manifest
with the recall measured on queries that had no part in choosing. A search in fast mode names the recall; what
was never tuned is refused, because nobody knows what it would give. Scores of hits are exact in either mode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lsr.indexer.approximation import Approximation

from lsr.errors import IndexCorruptError, InvalidArgumentError, NotTunedError

Mode = Literal["exact", "fast"]
QuerySource = Literal["queries", "log", "titles"]

MODES = ("exact", "fast")
LEAST_RECALL, LARGEST_RECALL, DEFAULT_RECALL = 0.9, 0.999, 0.99
SETTING = "fast"
"""The name under which the manifest's settings keep what was tuned."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """Settings of the scorer for one wished recall, and what they were found to give.

    recall:    wished for: the share of the exact best k that is found, on average over queries
    k:         hits of a search; deeper searches need settings of their own
    fields:    what was summed, with which weights
    measured:  recall on the queries that the settings were not chosen on
    speed_up:  how many times faster than exact those were answered
    queries:   how many those were; source: what they were
    documents: of the index at that time
    """

    recall: float
    k: int
    fields: Mapping[str, float]
    approximation: Approximation
    measured: float
    speed_up: float
    queries: int
    source: QuerySource
    documents: int

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def check_recall(recall: float) -> float:
    """Raises InvalidArgumentError for a recall that cannot be wished for."""
    if not (isinstance(recall, int | float) and LEAST_RECALL <= recall <= LARGEST_RECALL):
        raise InvalidArgumentError(
            f"recall must be {LEAST_RECALL} to {LARGEST_RECALL}, not {recall};"
            " leave fast mode for a recall of 1: exact is the default",
            field="recall",
        )
    return float(recall)


def check_mode(mode: str | None, recall: float | None) -> float | None:
    """The recall wished for; None for an exact search. Raises InvalidArgumentError unless they go together."""
    if mode not in (None, *MODES):
        raise InvalidArgumentError(f"mode must be {' or '.join(MODES)}, not {mode!r}", field="mode")
    if mode == "fast":
        return check_recall(DEFAULT_RECALL if recall is None else recall)
    if recall is not None:
        raise InvalidArgumentError(
            'recall goes with mode "fast"; an exact search finds everything', field="recall"
        )
    return None


def chosen(tuned: Sequence[Tuned], index: Path, *, recall: float, fields: Mapping[str, float], k: int) -> Tuned:
    """What was tuned for this recall and sum of fields, for the least k that reaches; else for the largest k.

    Raises NotTunedError, which says what there is.
    """
    same_sum = [each for each in tuned if _same_sum(each.fields, fields)]
    found = [each for each in same_sum if math.isclose(each.recall, recall, abs_tol=1e-9)]
    if not found:
        raise NotTunedError(_not_tuned(tuned, same_sum, index, recall, fields))
    deep = [each for each in found if each.k >= k]
    return min(deep, key=lambda each: each.k) if deep else max(found, key=lambda each: each.k)


def merged(before: Sequence[Tuned], new: Sequence[Tuned]) -> list[Tuned]:
    """All that is tuned: of two for the same recall, k and fields the new one."""
    kept = [
        old
        for old in before
        if not any(
            (old.recall, old.k) == (each.recall, each.k) and _same_sum(old.fields, each.fields) for each in new
        )
    ]
    return [*kept, *new]


def read_tuned(settings: Mapping[str, object], path: Path) -> list[Tuned]:
    """From a manifest's settings. Raises IndexCorruptError if they are not what ``lsr tune`` writes."""
    try:
        entries = settings.get(SETTING, [])
        if not isinstance(entries, list):
            raise TypeError("not a list")
        return [_parsed(entry) for entry in entries]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IndexCorruptError(
            f"{path}: settings.{SETTING} cannot be read ({error}). Run `lsr tune` again."
        ) from error


def _parsed(entry: Mapping[str, Any]) -> Tuned:
    return Tuned(
        recall=check_recall(entry["recall"]),
        k=int(entry["k"]),
        fields={str(name): float(weight) for name, weight in entry["fields"].items()},
        approximation=Approximation(**entry["approximation"]),
        measured=float(entry["measured"]),
        speed_up=float(entry["speed_up"]),
        queries=int(entry["queries"]),
        source=entry["source"],
        documents=int(entry["documents"]),
    )


def _same_sum(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two sums rank alike: the same fields, their weights in the same proportions."""
    if one.keys() != other.keys():
        return False
    ratios = [one[name] / other[name] if other[name] else math.inf for name in one]
    return all(math.isclose(ratio, ratios[0], rel_tol=1e-6) for ratio in ratios)


def _not_tuned(
    tuned: Sequence[Tuned], same_sum: Sequence[Tuned], index: Path, recall: float, fields: Mapping[str, float]
) -> str:
    if same_sum:
        known = ", ".join(f"{each:g}" for each in sorted({entry.recall for entry in same_sum}))
        return (
            f"{index}: fast search is not tuned for a recall of {recall:g}, only for {known}."
            f" Ask for one of these, or run `lsr tune {index} QUERIES --recall {recall:g}`."
        )
    named = weights_text(fields)
    others = " or ".join(sorted({weights_text(entry.fields) for entry in tuned}))
    known = (
        f"only for searches that sum {others}, not {named}" if tuned else "no settings were ever found for it"
    )
    return (
        f"{index}: fast search is not tuned: {known}."
        f" Run `lsr tune {index} QUERIES --fields {named}`, or search exactly."
    )


def weights_text(fields: Mapping[str, float]) -> str:
    """As flags have them: ``learned=1,bm25=0.5``."""
    return ",".join(f"{name}={weight:g}" for name, weight in fields.items())
