"""Evaluation results as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsr.eval.results import Comparison, EvaluationResult

from lsr.wording import counted, were

if TYPE_CHECKING:
    from rich.table import Table

SIGNIFICANT = 0.05
_MARKS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"


def results_table(results: Sequence[EvaluationResult], comparisons: Sequence[Comparison]) -> Table:
    """One row for each system: means with intervals, marked with the systems they beat significantly."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=_title(results[0]),
        caption=_caption(results),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("system", no_wrap=True)
    for heading in (*results[0].measures, "ms", "nnz d", "nnz q"):
        table.add_column(heading, justify="right", no_wrap=True)
    for at, result in enumerate(results):
        means = [
            Text.assemble(
                _short(each.mean, 4),
                _beaten(result, measure, results, comparisons),
                (f"\n{_short(each.ci95[0], 3)}–{_short(each.ci95[1], 3)}", "dim"),
            )
            for measure, each in result.measures.items()
        ]
        label = f"{_MARKS[at % len(_MARKS)]} {result.system.name}" if len(results) > 1 else result.system.name
        table.add_row(label, *means, *_costs(result))
    return table


def _short(value: float, digits: int) -> str:
    """``.4923``: these figures lie between 0 and 1, and every column counts on a narrow terminal."""
    return f"{value:.{digits}f}".removeprefix("0")


def judged(queries: int) -> str:
    return counted(queries, "judged query", "judged queries")


def _title(result: EvaluationResult) -> str:
    documents = f"{counted(result.documents, 'document')}, " if result.documents is not None else ""
    return f"{result.dataset}: {documents}{judged(result.judged_queries)}"


def _caption(results: Sequence[EvaluationResult]) -> str:
    first = results[0]
    notes = ["Means with 95 % bootstrap intervals."]
    if len(results) > 1:
        notes.append(
            "A letter: better than that system, paired randomisation test, Holm's correction,"
            f" p < {SIGNIFICANT:g}."
        )
    if any(result.latency_ms for result in results):
        notes.append("ms: median of one query on one thread, without encoding.")
    if first.unknown_queries:
        without = first.unknown_queries
        have = "has" if without == 1 else "have"
        notes.append(f"{judged(without)} {have} no text here and {were(without)} left out.")
    if first.truncated:
        are = "is" if first.truncated == 1 else "are"
        notes.append(f"{counted(first.truncated, 'text')} {are} longer than the encoder reads.")
    if first.split:
        notes.append(f"{counted(first.split, 'document')} {were(first.split)} split into passages.")
    if first.self_matches == "removed":
        notes.append("A query's own document was removed from its hits.")
    return " ".join(notes)


def _beaten(
    result: EvaluationResult,
    measure: str,
    results: Sequence[EvaluationResult],
    comparisons: Sequence[Comparison],
) -> str:
    """The marks of the systems that ``result`` beats significantly."""
    names = {
        (each.first if each.difference > 0 else each.second)
        for each in comparisons
        if each.measure == measure
        and each.p_holm < SIGNIFICANT
        and result.system.name == (each.second if each.difference > 0 else each.first)
    }
    return "".join(_MARKS[at % len(_MARKS)] for at, each in enumerate(results) if each.system.name in names)


def _costs(result: EvaluationResult) -> list[str]:
    latency, non_zeros = result.latency_ms, result.non_zeros
    return [
        f"{latency.p50:.2f}" if latency else "–",
        f"{non_zeros.documents:.0f}" if non_zeros else "–",
        f"{non_zeros.queries:.0f}" if non_zeros else "–",
    ]
