"""``lsr encode``: texts to sparse vectors, without an index."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lsr.cli import options
from lsr.cli.output import notes, print_json, progress, results
from lsr.cli.sources import open_source
from lsr.errors import InvalidArgumentError

if TYPE_CHECKING:
    from lsr.encoders.base import SparseEncoder

SHOWN = 30  # terms of a single text


class Side(StrEnum):
    DOCUMENT = "document"
    QUERY = "query"


def encode(
    source: Annotated[
        str | None,
        typer.Argument(help="File or folder with the texts, or `-` for standard input.", show_default=False),
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, or folder with --shards.", show_default=False),
    ] = None,
    shards: Annotated[
        bool,
        typer.Option("--shards", help="Write a folder of binary shards; a killed run goes on where it was."),
    ] = False,
    text: Annotated[
        str | None, typer.Option(help="Encode this one text and show its terms.", show_default=False)
    ] = None,
    side: Annotated[Side, typer.Option(help="Encode as documents or as queries.")] = Side.DOCUMENT,
    model: options.Model = "splade-tiny",
    format_: options.Format = None,
    id_field: options.IdField = None,
    text_field: options.TextField = None,
    title_field: options.TitleField = None,
    on_error: options.OnErrorOption = options.OnError.STOP,
    memory: options.Memory = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Turn texts into sparse vectors: a weight for each term that matters, in the text or not.

    Writes Anserini's JSON lines, `{"id", "contents", "vector": {term: weight}}`, or with `--shards` a folder
    that `lsr.encoding.read_shards` reads. Started again, such a run passes over what its folder holds, and
    encodes only the texts that are new.

    **Examples**

    `lsr encode --text 'how do I read a file'`

    `lsr encode docs.jsonl -o vectors.jsonl`

    `lsr encode queries.jsonl -o queries.vectors.jsonl --side query`

    `lsr encode big.jsonl.gz -o vectors/ --shards`
    """
    from lsr.encoders.loading import load_encoder
    from lsr.encoding import encode_to_shards
    from lsr.vectorfile import write_vectors

    if (text is None) == (source is None) or (source is None) != (output is None):
        raise InvalidArgumentError("give either SOURCE and --output FILE, or --text TEXT")
    opened = None
    if source is not None:
        opened = open_source(
            source,
            format_=format_,
            id_field=id_field,
            text_field=text_field,
            title_field=title_field,
            metadata_field=None,
            on_error=on_error,
        )
    encoder = load_encoder(model, threads=threads, memory=options.parse_memory(memory))
    rows = encoder.encode_queries if side is Side.QUERY else encoder.encode_documents
    if opened is None or output is None:
        _show(encoder, rows([text or ""]).to_dicts(encoder.vocabulary)[0], text or "", as_json=as_json)
        return
    reused = 0
    with progress("encoding", opened.expected) as advance:
        if shards:
            done = encode_to_shards(opened.documents, output, encoder, side=side.value, progress=advance)
            written, reused = done.documents, done.reused
        else:
            written = write_vectors(opened.documents, output, rows, encoder, advance)
    summary = {
        "path": str(output),
        "documents": written,
        "reused": reused,
        "skipped": opened.report.skipped,
        "truncated": encoder.statistics.truncated,
        "encoder": encoder.describe().to_json(),
    }
    if as_json:
        print_json(summary)
        return
    results().print(
        f"{written:,} vectors in {output}" + (f", {reused:,} of them from before" if reused else "")
    )
    if encoder.statistics.truncated:
        notes().print(f"{encoder.statistics.truncated:,} texts were longer than the model reads and were cut")


def _show(encoder: SparseEncoder, vector: dict[str, float], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"text": text, "vector": vector, "encoder": encoder.describe().to_json()})
        return
    from lsr.encoders.display import TermDisplay

    literal = {encoder.vocabulary[span.term] for span in encoder.spans(text)}
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("term")
    table.add_column("weight", justify="right")
    table.add_column("")
    shown = TermDisplay.of(encoder.vocabulary)
    for term, weight in list(vector.items())[:SHOWN]:
        table.add_row(shown(term), f"{weight:.3f}", "" if term in literal else "expansion")
    results().print(table)
    if len(vector) > SHOWN:
        notes().print(f"and {len(vector) - SHOWN} lighter terms; --json has them all", style="dim")
