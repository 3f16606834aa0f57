"""An evaluation as one self-contained HTML page: means with intervals, and where systems differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from lsr.eval.measures import Float64Array
from lsr.eval.results import Comparison, EvaluationResult
from lsr.eval.tables import judged

from lsr.wording import counted

SHOWN = 8  # queries listed at each end of a comparison
WIDTH = 640  # of the pictures, in pixels
ROW = 22  # height of one system in a picture
LABEL = 150  # room for a system's name

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .25em .8em; text-align: right; }
th { border-bottom: 1px solid #888; } td:first-child, th:first-child, td.text { text-align: left; }
small, .axis { color: #777; fill: #777; } svg { display: block; margin: 1em 0; } svg text { font-size: 12px; }
.up { fill: #2a7; color: #184; } .down { fill: #d64; color: #a30; } .mark { stroke: #357; fill: #357; }
"""


def html_report(
    results: Sequence[EvaluationResult], comparisons: Sequence[Comparison], queries: Mapping[str, str]
) -> str:
    """The page's text. queries: each judged query's text by its id. It loads nothing from elsewhere."""
    first = results[0]
    measure = next(iter(first.measures))
    pairs = [each for each in comparisons if each.measure == measure]
    by_name = {result.system.name: result for result in results}
    parts = [
        f"<h1>{escape(first.dataset)}</h1>",
        f"<p>{_facts(first)}</p>",
        _means_table(results),
        *(_intervals(results, name) for name in first.measures),
        f"<h2>Query by query, {escape(measure)}</h2>" if pairs else "",
        *(_pair(each, by_name[each.first], by_name[each.second], queries) for each in pairs),
    ]
    title = f"Evaluation on {escape(first.dataset)}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def _facts(result: EvaluationResult) -> str:
    where = result.environment
    documents = f"{counted(result.documents, 'document')}, " if result.documents is not None else ""
    return (
        f"{documents}{judged(result.judged_queries)}, self matches {result.self_matches}."
        f" lsr {escape(where.version)}, commit {escape(where.commit or 'unknown')}, {escape(where.cpu)}."
    )


def _means_table(results: Sequence[EvaluationResult]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in results[0].measures)
    rows = []
    for result in results:
        cells = "".join(
            f"<td>{each.mean:.4f}<br><small>{each.ci95[0]:.3f}–{each.ci95[1]:.3f}</small></td>"
            for each in result.measures.values()
        )
        latency = f"{result.latency_ms.p50:.2f}" if result.latency_ms else "–"
        rows.append(f"<tr><td>{escape(result.system.name)}</td>{cells}<td>{latency}</td></tr>")
    return f"<table><tr><th>system</th>{heads}<th>ms</th></tr>{''.join(rows)}</table>"


def _intervals(results: Sequence[EvaluationResult], measure: str) -> str:
    """A dot for each system's mean on a line for its interval, on one scale."""
    ends = [end for result in results for end in result.measures[measure].ci95]
    low, high = min(ends), max(ends)
    scale = (WIDTH - LABEL - 20) / max(high - low, 1e-9)

    def x(value: float) -> float:
        return LABEL + 10 + (value - low) * scale

    marks = []
    for at, result in enumerate(results):
        found, y = result.measures[measure], ROW * at + ROW / 2
        left, right = map(x, found.ci95)
        marks.append(
            f'<text x="0" y="{y + 4:.0f}">{escape(result.system.name[:22])}</text>'
            f'<line class="mark" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.0f}" y2="{y:.0f}"/>'
            f'<circle class="mark" cx="{x(found.mean):.1f}" cy="{y:.0f}" r="4"/>'
        )
    bottom = ROW * len(results) + 14
    axis = f'<text class="axis" x="{LABEL}" y="{bottom}">{low:.3f}</text>' + (
        f'<text class="axis" x="{WIDTH}" y="{bottom}" text-anchor="end">{high:.3f}</text>'
    )
    return (
        f"<h3>{escape(measure)}</h3>"
        f'<svg width="{WIDTH}" height="{bottom + 6}" role="img">{"".join(marks)}{axis}</svg>'
    )


def _pair(
    found: Comparison, first: EvaluationResult, second: EvaluationResult, queries: Mapping[str, str]
) -> str:
    before, after = first.values[found.measure], second.values[found.measure]
    differences = after.values - before.values
    order = np.argsort(-differences, kind="stable")
    up = [int(at) for at in order[:SHOWN] if differences[at] > 0]
    down = [int(at) for at in order[::-1][:SHOWN] if differences[at] < 0]
    rows = "".join(
        f"<tr><td>{escape(after.query_ids[at])}</td>"
        f'<td class="text">{escape(queries[after.query_ids[at]])}</td>'
        f"<td>{before.values[at]:.3f}</td><td>{after.values[at]:.3f}</td>"
        f'<td class="{"up" if differences[at] > 0 else "down"}">{differences[at]:+.3f}</td></tr>'
        for at in (*up, *reversed(down))
    )
    columns = ("query", "", found.first, found.second, "difference")
    heads = "".join(f"<th>{escape(each)}</th>" for each in columns)
    return (
        f"<h3>{escape(found.first)} → {escape(found.second)}</h3>"
        f"<p>{found.difference:+.4f}, p = {found.p_value:.4f} ({found.p_holm:.4f} by Holm):"
        f" better on {found.wins:,}, equal on {found.ties:,}, worse on {found.losses:,} queries.</p>"
        f"{_bars(differences[order])}"
        f"<table><tr>{heads}</tr>{rows}</table>"
    )


def _bars(differences: Float64Array) -> str:
    """One bar a query, largest gain first."""
    width = WIDTH / max(1, len(differences))
    height = 120
    bars = "".join(_bar(at, float(value), width, height) for at, value in enumerate(differences) if value)
    line = f'<line x1="0" x2="{WIDTH}" y1="{height / 2}" y2="{height / 2}" stroke="#aaa"/>'
    return f'<svg width="{WIDTH}" height="{height}" role="img">{bars}{line}</svg>'


def _bar(at: int, value: float, width: float, height: int) -> str:
    length = abs(value) * height / 2
    top = height / 2 - (length if value > 0 else 0)
    box = f'x="{at * width:.2f}" y="{top:.1f}" width="{width:.2f}" height="{length:.1f}"'
    return f'<rect class="{"up" if value > 0 else "down"}" {box}/>'
