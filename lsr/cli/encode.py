"""``lsr encode``: texts to sparse vectors, without an index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lsr.cli import options
from lsr.cli.output import notes, preflight, print_json, progress, results, say, texts_cut
from lsr.cli.sources import open_source
from lsr.errors import InvalidArgumentError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.cli.sources import OpenSource
    from lsr.data.documents import Document
    from lsr.encoders.base import EncoderInfo, SparseEncoder
    from lsr.forecast import Forecast
    from lsr.models import ModelOptions
    from lsr.passages import PassageCutter
    from lsr.vectors import SparseVectors

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
    model: options.EncoderModel = "splade-tiny",
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
    device: Annotated[
        str, typer.Option(help="Where the model runs; with --shards several: `cuda:0,cuda:1`, a process each.")
    ] = "cpu",
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --shards: processes, each with a model.  [default: one a device]",
            show_default=False,
        ),
    ] = None,
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

    `lsr encode big.jsonl.gz -o vectors/ --shards --processes 4`

    `lsr encode big.jsonl.gz -o vectors/ --shards --device cuda:0,cuda:1 --precision bfloat16`
    """
    from lsr.vectorfile import write_vectors

    if (text is None) == (source is None) or (source is None) != (output is None):
        raise InvalidArgumentError("give either SOURCE and --output FILE, or --text TEXT")
    devices = [each.strip() for each in device.split(",")]
    if not shards and (processes is not None or len(devices) > 1):
        name = "--processes" if processes is not None else "--device"
        raise InvalidArgumentError(f"{name}: several processes write shards; add --shards", field=name)
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
    limit = options.parse_memory(memory)
    if source is None or output is None:
        encoder = used.load(model, device=device, threads=threads, memory=limit)
        _show(encoder, encoding_of(encoder, side)([text or ""]), text or "", as_json=as_json)
        return
    if not shards:
        options.check_whole_file(output, "--output", instead=", or add --shards")
    elif output.is_file():
        raise InvalidArgumentError(
            f"--output: {output} is a file; name a folder, or leave --shards out", field="--output"
        )
    opened = open_source(
        source,
        format_=format_,
        id_field=id_field,
        text_field=text_field,
        title_field=title_field,
        metadata_field=None,
        on_error=on_error,
    )
    running = Running(model, used, devices, processes, threads=threads, memory=limit)
    with progress("encoding", opened.expected) as advance:
        if shards:
            done = running.to_shards(opened, output, side, advance)
        else:
            encoder, cutter = running.load()
            written = write_vectors(
                running.entries(opened.documents, cutter),
                output,
                encoding_of(encoder, side),
                encoder,
                expected=opened.expected,
                on_forecast=say_forecast,
                progress=advance,
            )
            done = Done(written, 0, encoder.statistics.truncated, _n_split(encoder, cutter), encoder.describe())
    _report(done, output, opened.report.skipped, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Done:
    """What was written. truncated, split: of the texts computed now."""

    written: int
    reused: int
    truncated: int
    split: int
    info: EncoderInfo


@dataclass(frozen=True, slots=True)
class Running:
    """The model and where it runs."""

    model: str
    used: ModelOptions
    devices: Sequence[str]
    processes: int | None
    threads: int | None
    memory: int | None

    def load(self) -> tuple[SparseEncoder, PassageCutter | None]:
        """The model in this process, and what cuts documents for it."""
        from lsr.passages import cutter_for

        encoder = self.used.load(self.model, device=self.devices[0], threads=self.threads, memory=self.memory)
        return encoder, cutter_for(self.used, encoder)

    def entries(self, documents: Iterable[Document], cutter: PassageCutter | None) -> Iterable[Document]:
        return documents if cutter is None else (entry for each in documents for entry in cutter(each))

    def to_shards(self, opened: OpenSource, output: Path, side: Side, advance: Callable[[int], None]) -> Done:
        from lsr.encoders.workers import OneProcess, plan_workers, workers
        from lsr.encoding import encode_to_shards
        from lsr.indexing import available_threads

        several = self.processes is not None or len(self.devices) > 1
        here = None if several and not self.used.of_passages else self.load()
        cutter = here[1] if here is not None else None
        plan = plan_workers(
            self.model,
            self.used,
            devices=self.devices,
            processes=self.processes,
            threads=self.threads or available_threads(),
            memory=self.memory,
        )
        computing = workers(plan) if several or here is None else nullcontext(OneProcess(here[0]))
        with computing as work:
            done = encode_to_shards(
                self.entries(opened.documents, cutter),
                output,
                work,
                side=side.value,
                progress=advance,
                expected=opened.expected,
                on_forecast=say_forecast,
            )
            n_split = done.split + (cutter.n_split if cutter is not None else 0)
            return Done(done.documents, done.reused, done.truncated, n_split, work.describe())


def say_forecast(forecast: Forecast) -> None:
    say(preflight(forecast, "vectors"))


def encoding_of(encoder: SparseEncoder, side: Side) -> Callable[[Sequence[str]], SparseVectors]:
    return encoder.encode_queries if side is Side.QUERY else encoder.encode_documents


def _n_split(encoder: SparseEncoder, cutter: PassageCutter | None) -> int:
    return encoder.statistics.split + (cutter.n_split if cutter is not None else 0)


def _report(done: Done, output: Path, skipped: int, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "path": str(output),
                "documents": done.written,
                "reused": done.reused,
                "skipped": skipped,
                "truncated": done.truncated,
                "split": done.split,
                "encoder": done.info.to_json(),
            }
        )
        return
    before = f", {done.reused:,} of them from before" if done.reused else ""
    results().print(f"{counted(done.written, 'vector')} in {output}{before}")
    for line in texts_cut(done.truncated, done.split):
        notes().print(line)


def _show(encoder: SparseEncoder, vectors: SparseVectors, text: str, *, as_json: bool) -> None:
    [vector] = vectors.to_dicts(encoder.vocabulary)
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
        notes().print(f"and {counted(len(vector) - SHOWN, 'lighter term')}; --json has them all", style="dim")
