"""``lsr alias`` and ``lsr reencode``: a name for an index, and another index behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import human_seconds, notes, preflight, print_json, progress, results, say, texts_cut
from lsr.wording import counted, were

if TYPE_CHECKING:
    from lsr.reencoding import ReencodeSummary


def alias(
    name: Annotated[Path, typer.Argument(help="The alias.", show_default=False)],
    index: Annotated[
        Path | None,
        typer.Argument(help="Index it is to name; without one, say which it names.", show_default=False),
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """Make a name stand for an index, at once; whatever takes an index takes the name.

    Servers of the alias go over to the new index by themselves; searches under way end on the old one. Refused
    while somebody writes to the index that the alias named.

    **Examples**

    `lsr alias live index-2026`

    `lsr serve live`

    `lsr alias live`
    """
    from lsr.indexer.aliases import point, target

    before = None if index is None else point(name, index)
    now = target(name)
    if as_json:
        print_json({"alias": str(name), "index": str(now), "before": None if before is None else str(before)})
    else:
        was = "" if before in (None, now) else f", was {before}"
        results().print(f"{name} names {now}{was}")


def reencode(
    index: options.Index,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the new index.", show_default=False)
    ],
    model: Annotated[
        str, typer.Option(help="Built-in name, folder, or hub name of the new model.", show_default=False)
    ],
    fields: options.Fields = None,
    storage: Annotated[
        options.Storage, typer.Option(help="How learned weights are kept: exactly, or smaller.")
    ] = options.Storage.FLOAT32,
    alias_: Annotated[
        Path | None,
        typer.Option(
            "--alias", help="Alias of the index; names the new one when it is complete.", show_default=False
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the index at --output; it stays until the new one is done."),
    ] = False,
    memory: options.Memory = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Encode an index's documents again, with another model, into a second index.

    The index is searched and written meanwhile; what is written is caught up with. With `--alias`, servers of
    the alias then go over to the new index without a restart.

    **Examples**

    `lsr reencode live -o index-2026 --model my-splade --alias live`

    `lsr reencode my.index -o smaller.index --model splade-tiny --storage uint8`
    """
    from lsr.indexer.collection import Collection
    from lsr.indexing import DocumentEncoder, available_threads, plan_index
    from lsr.reencoding import language_of
    from lsr.reencoding import reencode as encode_again
    from lsr.requests import parse_weights

    collection = Collection.open(index)
    plan = plan_index(
        model, parse_weights(fields, "--fields"), language=language_of(collection), storage=storage.value
    )
    limit = options.parse_memory(memory)
    out = notes()
    if plan.note:
        out.print(f"note: {plan.note}")
    encoder = DocumentEncoder(plan, threads=threads, memory=limit)
    with progress("encoding", collection.n_documents) as advance:
        summary = encode_again(
            index,
            output,
            encoder,
            alias=alias_,
            resume=resume,
            overwrite=overwrite,
            memory=limit,
            threads=threads or available_threads(),
            on_forecast=lambda forecast: say(preflight(forecast)),
            progress=advance,
        )
    if as_json:
        print_json(summary)
    else:
        _report(summary)


def _report(summary: ReencodeSummary) -> None:
    out = results()
    out.print(f"{counted(summary.documents, 'document')} in {summary.path}, {human_seconds(summary.seconds)}")
    if summary.caught_up:
        changed = f"{counted(summary.caught_up, 'document')} {were(summary.caught_up)} changed meanwhile"
        out.print(f"{changed}; the new index has what became of them")
    for line in texts_cut(summary.truncated, summary.split):
        out.print(line)
    if summary.alias is not None:
        out.print(f"{summary.alias} names {summary.path} now")
    else:
        notes().print(f"next: lsr alias NAME {summary.path}", style="dim")
