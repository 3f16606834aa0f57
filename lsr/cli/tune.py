"""``lsr tune``: make fast search ready, for the recall one wishes for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lsr.cli import options
from lsr.cli.output import notes, print_json, progress, results
from lsr.errors import InvalidArgumentError

if TYPE_CHECKING:
    from lsr.indexer.fast import QuerySource
    from lsr.tuning import TuneReport


def tune(
    index: options.Index,
    queries: Annotated[
        Path | None, typer.Argument(help="File of queries: JSON lines, or TSV (id, text).", show_default=False)
    ] = None,
    *,
    log: Annotated[
        Path | None,
        typer.Option(
            help="Query log instead: a line a query, plain or as JSON with `query`; repeats count.",
            show_default=False,
        ),
    ] = None,
    titles: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Sample so many titles of documents instead: only where there are no queries.",
            show_default=False,
        ),
    ] = None,
    recall: Annotated[
        list[float] | None,
        typer.Option(
            help="Wished share of the exact hits; repeat it for several.  [default: 0.9 0.95 0.99 0.999]",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            "-k", "--k", min=1, help="Hits of a search; repeat it.  [default: 10 100 1000]", show_default=False
        ),
    ] = None,
    fields: options.Fields = None,
    model: Annotated[
        str | None, typer.Option(help="Model that encodes the queries, if not found under its name.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Splits the queries and draws titles.")] = 0,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Find and record what makes searches fast at a wished recall, for `--mode fast`.

    Settings are chosen on one half of the queries; the recall that is reported was measured on the other.

    **Examples**

    `lsr tune my.index queries.jsonl`

    `lsr tune my.index --log searches.log --recall 0.95 --recall 0.99`

    `lsr tune my.index --titles 1000`
    """
    from lsr.requests import parse_weights
    from lsr.tuning import DEPTHS, RECALLS, tune_index

    texts, source = _texts(index, queries, log, titles, seed)
    recalls, depths = tuple(recall or RECALLS), tuple(k or DEPTHS)
    with progress("tuning", len(recalls) * len(depths), "settings") as advance:
        report = tune_index(
            index,
            texts,
            source,
            fields=parse_weights(fields, "--fields"),
            recalls=recalls,
            depths=depths,
            model=model,
            seed=seed,
            threads=threads,
            progress=advance,
        )
    if as_json:
        print_json(report)
    else:
        _show(report)


def _texts(
    index: Path, queries: Path | None, log: Path | None, titles: int | None, seed: int
) -> tuple[list[str], QuerySource]:
    if sum(each is not None for each in (queries, log, titles)) != 1:
        raise InvalidArgumentError(
            "name one source of queries: a file, or --log FILE; without either, --titles 1000 samples titles of"
            " documents, which are not what people ask",
            field="queries",
        )
    if queries is not None:
        from lsr.data.queries import read_queries

        return [query.text for query in read_queries(queries)], "queries"
    if log is not None:
        from lsr.data.queries import read_query_log

        return read_query_log(log), "log"
    import numpy as np

    from lsr.indexer.collection import Collection
    from lsr.tuning import sampled_titles

    return sampled_titles(Collection.open(index), titles or 0, np.random.default_rng(seed)), "titles"


def _show(report: TuneReport) -> None:
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="bold")
    for heading in ("k", "recall wished", "measured", "faster than exact", "keep", "gamma"):
        table.add_column(heading, justify="right")
    for each in report.tuned:
        settings = each.approximation
        table.add_row(
            f"{each.k:,}",
            f"{each.recall:g}",
            f"{each.measured:.4f}",
            f"{each.speed_up:.2f}×",
            f"{settings.keep:g}",
            f"{settings.gamma:g}",
        )
    results().print(table)
    if report.source == "titles":
        notes().print(
            "note: titles are not what people ask; tune again on real queries when you have them",
            style="yellow",
        )
    notes().print(f"recorded as generation {report.generation} of {report.path}", style="dim")
