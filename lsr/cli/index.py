"""``lsr index``: build an index from documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import (
    human_bytes,
    human_seconds,
    notes,
    preflight,
    print_json,
    progress,
    results,
    say,
    texts_cut,
)
from lsr.cli.sources import open_source
from lsr.errors import InvalidArgumentError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.cli.sources import OpenSource
    from lsr.indexing import IndexSummary

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write the index to.", show_default=False)
]


def index(
    source: options.Source,
    *,
    output: Output,
    model: options.Model = "splade-tiny",
    method: options.Method = None,
    queries: options.Queries = None,
    precision: options.PrecisionOption = options.Precision.FLOAT32,
    document_length: options.DocumentLength = None,
    query_length: options.QueryLength = None,
    transform: options.Transform = None,
    split: options.Split = None,
    passage_length: options.PassageLength = None,
    overlap: options.Overlap = None,
    passages: options.PassagesOption = options.Passages.MERGED,
    device: options.Device = "cpu",
    fields: options.Fields = None,
    language: Annotated[str, typer.Option(help="Language of the BM25 field's analyzer.")] = "english",
    storage: Annotated[
        options.Storage, typer.Option(help="How learned weights are kept: exactly, or smaller.")
    ] = options.Storage.FLOAT32,
    format_: options.Format = None,
    id_field: options.IdField = None,
    text_field: options.TextField = None,
    title_field: options.TitleField = None,
    metadata_field: options.MetadataField = None,
    on_error: options.OnErrorOption = options.OnError.STOP,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished build.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the index there; it stays until the new one is done.")
    ] = False,
    reorder: options.Reorder = False,
    memory: options.Memory = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Build an index from documents: read, encode, write, commit.

    SOURCE is a BEIR folder, JSON lines, TSV, CSV, Parquet, a folder of text files (any of them compressed),
    or `-`.

    Ctrl-C keeps what is done; the same command with `--resume` goes on from there.

    **Examples**

    `lsr index docs.jsonl -o my.index`

    `lsr index scifact/ -o scifact.index --model splade-tiny --storage float16`

    `lsr index shop.csv -o shop.index --id-field sku --text-field name --text-field description`

    `lsr index books.jsonl -o books.index --split sentences --passages best`

    `lsr index docs.jsonl -o my.index --model path/to/model --method splade-doc --queries idf.json`

    `zcat dump.jsonl.gz | lsr index - -o my.index --on-error skip`
    """
    from lsr.indexing import DocumentEncoder, available_threads, index_documents, plan_index
    from lsr.requests import parse_weights

    used = options.model_options(
        method=method,
        queries=queries,
        precision=precision,
        document_length=document_length,
        query_length=query_length,
        transform=transform,
        split=split,
        passage_length=passage_length,
        overlap=overlap,
        passages=passages,
    )
    plan = plan_index(
        model, parse_weights(fields, "--fields"), language=language, storage=storage.value, options=used
    )
    limit = options.parse_memory(memory)
    opened = open_source(
        source,
        format_=format_,
        id_field=id_field,
        text_field=text_field,
        title_field=title_field,
        metadata_field=metadata_field,
        on_error=on_error,
    )
    if resume and opened.fingerprint is None:
        raise InvalidArgumentError(
            "--resume: standard input cannot be read again, so there is nothing to go on with; leave it out",
            field="--resume",
        )
    for note in (plan.note, opened.note):
        if note:
            notes().print(f"note: {note}")
    encoder = DocumentEncoder(plan, device=device, threads=threads, memory=limit)
    try:
        with progress("indexing", opened.expected) as advance:
            summary = index_documents(
                opened.documents,
                output,
                encoder,
                report=opened.report,
                source=opened.fingerprint,
                resume=resume,
                overwrite=overwrite,
                reorder=reorder,
                memory=limit,
                threads=threads or available_threads(),
                expected=opened.expected,
                on_forecast=lambda forecast: say(preflight(forecast)),
                progress=advance,
            )
    except KeyboardInterrupt:
        notes().print(_interrupted(output, opened))
        raise
    if as_json:
        print_json(summary)
    else:
        _report(summary)


def _interrupted(output: Path, opened: OpenSource) -> str:
    if opened.fingerprint is None:
        return "interrupted. Standard input cannot be read again, so nothing was kept."
    return f"interrupted. What is done is kept in {output}; the same command with --resume goes on from there."


def _report(summary: IndexSummary) -> None:
    fields = " + ".join(f"{name} × {weight:g}" for name, weight in summary.fields.items())
    out = results()
    passages = f" as {counted(summary.passages, 'passage')}" if summary.passages is not None else ""
    out.print(
        f"{counted(summary.documents, 'document')}{passages} in {summary.path}"
        f" ({human_bytes(summary.size_bytes)}), generation {summary.generation},"
        f" {human_seconds(summary.seconds)}"
    )
    out.print(f"searches sum {fields}")
    for line in texts_cut(summary.truncated, summary.split):
        out.print(line)
    notes().print(f"next: lsr search {summary.path} 'your question'", style="dim")
