"""``lsr search``: ask an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from lsr.cli import options
from lsr.cli.output import notes, print_json, results
from lsr.cli.sources import standard_lines

if TYPE_CHECKING:
    from lsr.requests import Hit, SearchAnswer, Span

SNIPPET = 240  # characters of a document's text shown around its first match


def search(
    index: options.Index,
    query: Annotated[
        str, typer.Argument(help="The question, or `-` for one question a line.", show_default=False)
    ],
    *,
    k: Annotated[int, typer.Option("-k", "--k", help="Hits wanted.")] = 10,
    offset: Annotated[int, typer.Option(help="Best hits to skip.")] = 0,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help='Only documents that meet this: `lang = "en" AND year >= 2020`.',
            show_default=False,
        ),
    ] = None,
    fields: options.Fields = None,
    mode: options.SearchMode = options.Mode.EXACT,
    recall: options.Recall = None,
    model: options.QueryTimeModel = None,
    queries: options.Queries = None,
    transform: options.Transform = None,
    device: options.Device = "cpu",
    explain: Annotated[bool, typer.Option("--explain", help="Show the terms behind each score.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Count all matches exactly; costs a scan.")] = False,
    load: Annotated[
        options.Load, typer.Option(help="Map the index's files, or read them into memory first.")
    ] = options.Load.MAP,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Print the best documents for a question.

    Every field of the index takes part with its recorded weight, unless `--fields` says otherwise.

    **Examples**

    `lsr search my.index 'how do I read a file line by line'`

    `lsr search my.index 'compress bytes' -k 3 --explain`

    `lsr search my.index 'parse dates' --fields bm25`

    `lsr search my.index 'lamp' --filter 'price < 40 AND colour IN ("red", "blue")'`

    `lsr search my.index 'parse dates' --mode fast --recall 0.99`

    `lsr search my.index - --json < questions.txt`
    """
    from lsr.pipeline import Pipeline
    from lsr.requests import SearchRequest, parse_weights, to_json

    weights = parse_weights(fields, "--fields")
    requests = [
        SearchRequest(
            text=text,
            k=k,
            offset=offset,
            filter=filter_,
            fields=weights,
            mode=mode.value,
            recall=recall,
            explain=explain,
            highlight=not as_json,
            count=count,
        )
        for text in _texts(query)
    ]
    options.reach_own_modules(transform)
    pipeline = Pipeline.open(
        index,
        model=model,
        queries=queries,
        transform=transform,
        fields=None if weights is None else list(weights),
        device=device,
        threads=threads,
        load=load.value,
    )
    answers = [pipeline.search(request) for request in requests]
    if as_json:
        print_json(to_json(answers if query == "-" else answers[0]))
        return
    for request, answer in zip(requests, answers, strict=True):
        if query == "-":
            results().print(Text(f"› {request.text}", style="bold"))
        _show(answer)


def _texts(query: str) -> Sequence[str]:
    if query != "-":
        return [query]
    return [line.strip() for line in standard_lines() if line.strip()]


def _show(answer: SearchAnswer) -> None:
    out = results()
    for hit in answer.hits:
        out.print(_hit_line(hit))
        snippet = _snippet(hit)
        if snippet.plain:
            out.print(snippet)
        if hit.explanation is not None:
            out.print(_explanation(hit))
    for warning in answer.warnings:
        notes().print(f"note: {warning}", style="yellow")
    matched = f"{'at least ' if answer.matched.relation == 'gte' else ''}{answer.matched.value:,}"
    summed = " + ".join(f"{use.name} ({use.encoder}) × {use.weight:g}" for use in answer.index.fields)
    matches = "matches" if answer.matched.value == 1 else "match"
    notes().print(
        f"{matched} {matches} · {answer.took_ms['total']:.1f} ms · {summed}{_mode(answer)}", style="dim"
    )


def _mode(answer: SearchAnswer) -> str:
    """Nothing for an exact answer."""
    if (fast := answer.fast) is None:
        return ""
    return f" · fast, recall {fast.recall:g} wished, {fast.measured_recall:.4f} when tuned"


def _hit_line(hit: Hit) -> Text:
    line = Text(f"{hit.rank:>3}  {hit.score:9.4f}  ")
    line.append(hit.id, style="bold cyan")
    if hit.document.title:
        line.append(f"  {hit.document.title}", style="bold")
    if hit.passage is not None and hit.passage.count > 1:
        line.append(f"  passage {hit.passage.number} of {hit.passage.count}", style="dim")
    return line


def _snippet(hit: Hit) -> Text:
    """The text around its first match, the query's words marked, on one line."""
    text = hit.document.text or ""
    spans: Sequence[Span] = (hit.highlights or {}).get("text", ())
    start = max(0, (spans[0].start if spans else 0) - SNIPPET // 4)
    snippet = Text(" " * 16)
    snippet.append(("…" if start else "") + text[start : start + SNIPPET])
    shift = 16 + (1 if start else 0) - start
    for span in spans:
        if span.end <= start + SNIPPET:
            snippet.stylize("bold yellow", span.start + shift, span.end + shift)
    if start + SNIPPET < len(text):
        snippet.append("…")
    return Text(" ").join(snippet.split("\n")) if text else Text()


def _explanation(hit: Hit) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    left, right = (
        ("                field", "term", "from the word"),
        ("in query", "in document", "contribution"),
    )
    for heading in (*left, *right):
        table.add_column(heading, justify="right" if heading in right else "left")
    for each in hit.explanation or ():
        table.add_row(
            f"                {each.field}",
            each.shown,
            each.source.word if each.source is not None else "",
            f"{each.query_weight:.3f}{_mark(each.query_kind)}",
            f"{each.document_weight:.3f}{_mark(each.document_kind)}",
            f"{each.contribution:.3f}",
        )
    return table


def _mark(kind: str | None) -> str:
    """Expansions are marked; what stands in the text is not."""
    return " +" if kind == "expansion" else "  "
