"""``lsr export`` and ``lsr import``: vectors to and from other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import notes, print_json, results
from lsr.errors import InvalidArgumentError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.indexer.collection import Collection
    from lsr.indexer.formats.exchange import ExportReport, Imported


class ExchangeFormat(StrEnum):
    JSONL = "jsonl"
    NPZ = "npz"
    ANSERINI = "anserini"
    CIFF = "ciff"


FormatOption = Annotated[
    ExchangeFormat,
    typer.Option(
        "--format",
        help="jsonl: a line a document; npz: a folder with a scipy matrix; anserini: JsonVectorCollection;"
        " ciff: Common Index File Format.",
    ),
]


def export(
    index: options.Index,
    target: Annotated[Path, typer.Argument(help="File or folder to write.", show_default=False)],
    *,
    field: Annotated[
        str | None, typer.Option(help="Field to write.  [default: the first]", show_default=False)
    ] = None,
    format_: FormatOption = ExchangeFormat.JSONL,
    levels: Annotated[
        int | None,
        typer.Option(
            help="anserini, ciff: the largest weight as an integer.  [default: 255]", show_default=False
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write one field's vectors of all documents for other tools, and say what the form cannot hold.

    **Examples**

    `lsr export my.index vectors.jsonl`

    `lsr export my.index for-lucene/ --format anserini --levels 100`

    `lsr export my.index bm25.ciff --format ciff --field bm25`
    """
    from lsr.indexer.collection import Collection

    collection = Collection.open(index)
    report = _export(collection, field or collection.fields[0].name, target, format_, levels)
    if as_json:
        print_json(report)
        return
    scale = "" if report.scale is None else f", one level is {report.scale:.6g}"
    results().print(
        f"{counted(report.documents, 'document')}, {counted(report.nnz, 'non-zero')} in {target}{scale}"
    )
    _say_lost(report.lost)


def import_(
    source: Annotated[Path, typer.Argument(help="File or folder to read.", show_default=False)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write the index to.", show_default=False)
    ],
    format_: FormatOption = ExchangeFormat.JSONL,
    scale: Annotated[
        float | None,
        typer.Option(help="Multiply weights by this.  [default: the recorded one, or 1]", show_default=False),
    ] = None,
    storage: Annotated[
        options.Storage, typer.Option(help="How weights are kept: exactly, or smaller.")
    ] = options.Storage.FLOAT32,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the index there.")] = False,
    reorder: options.Reorder = False,
    as_json: options.Json = False,
) -> None:
    """Make an index of vectors that another tool made; it is searched with weighted terms, over REST or Python.

    **Examples**

    `lsr import vectors.jsonl -o my.index`

    `lsr import from-lucene/ --format anserini --scale 0.01 -o my.index`
    """
    from lsr.indexer.formats.exchange import build_from

    imported = _import(source, format_, scale)
    documents = build_from(imported, output, storage=storage.value, overwrite=overwrite, reorder=reorder)
    if as_json:
        print_json({"path": str(output), "documents": documents, "lost": list(imported.lost)})
        return
    results().print(f"{counted(documents, 'document')} in {output}, field learned")
    _say_lost(imported.lost)


def _export(
    collection: Collection, field: str, target: Path, form: ExchangeFormat, levels: int | None
) -> ExportReport:
    from lsr.indexer.formats import anserini, ciff, jsonl, npz
    from lsr.indexer.formats.exchange import DEFAULT_LEVELS

    if form in {ExchangeFormat.JSONL, ExchangeFormat.NPZ}:
        if levels is not None:
            raise InvalidArgumentError(
                f"--levels: {form.value} writes weights as they are; leave it out", field="levels"
            )
        plain = jsonl.export_jsonl if form is ExchangeFormat.JSONL else npz.export_npz
        return plain(collection, field, target)
    rounded = anserini.export_anserini if form is ExchangeFormat.ANSERINI else ciff.export_ciff
    return rounded(collection, field, target, levels=DEFAULT_LEVELS if levels is None else levels)


def _import(source: Path, form: ExchangeFormat, scale: float | None) -> Imported:
    from lsr.indexer.formats import anserini, ciff, jsonl, npz

    if form is ExchangeFormat.NPZ:
        if scale is not None:
            raise InvalidArgumentError("--scale: npz holds weights as they are; leave it out", field="scale")
        return npz.import_npz(source)
    if form is ExchangeFormat.CIFF:
        return ciff.import_ciff(source, scale=scale)
    if form is ExchangeFormat.ANSERINI:
        return anserini.import_anserini(source, scale=scale)
    return jsonl.import_jsonl(source, scale=1.0 if scale is None else scale)


def _say_lost(lost: tuple[str, ...]) -> None:
    for each in lost:
        notes().print(f"not kept: {each}", style="yellow")
