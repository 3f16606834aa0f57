"""Anserini's JsonVectorCollection, which Lucene's impact indexes are built from: integers, with a recorded
scale.

A folder of part-*.jsonl, each line {"id", "contents", "vector": {term: integer}}, and beside them
``lsr-export``, JSON that records the scale (Anserini reads .json and .jsonl files only). Import is that of JSON
lines.
"""

from __future__ import annotations

import json
from pathlib import Path

from lsr.indexer.collection import Collection
from lsr.indexer.formats.exchange import (
    DEFAULT_LEVELS,
    ExportReport,
    Imported,
    appearing_whole,
    export_scale,
    loss_of_fields,
    loss_of_levels,
    quantised,
)
from lsr.indexer.formats.jsonl import import_jsonl

from lsr.errors import IndexExistsError, InputError

RECORD_NAME = "lsr-export"
DOCUMENTS_A_PART = 100_000


def export_anserini(
    collection: Collection, field: str, target: Path, *, levels: int = DEFAULT_LEVELS
) -> ExportReport:
    """Write all live documents into a new folder, the largest weight as the integer ``levels``."""
    if target.exists():
        raise IndexExistsError(f"{target}: exists already; export into a new folder.")
    scale = export_scale(collection, field, levels)
    lost = (
        loss_of_levels(scale, levels),
        "title and text are joined, metadata are left out",
        *loss_of_fields(collection, field),
    )
    with appearing_whole(target) as folder:
        folder.mkdir(parents=True)
        documents, nnz = _write_parts(collection, field, scale, folder)
        record = {"field": field, "scale": scale, "levels": levels, "documents": documents, "lost": lost}
        (folder / RECORD_NAME).write_text(json.dumps(record, indent=1) + "\n")
    return ExportReport(documents, nnz, scale, lost)


def import_anserini(source: Path, *, scale: float | None = None) -> Imported:
    """As ``import_jsonl``, with the scale that an export of ours recorded unless one is given."""
    record = source / RECORD_NAME
    if scale is None and record.is_file():
        scale = _recorded_scale(record)
    return import_jsonl(source, scale=1.0 if scale is None else scale)


def _recorded_scale(record: Path) -> float:
    try:
        scale = json.loads(record.read_bytes())["scale"]
        if type(scale) not in (int, float) or not 0 < scale < float("inf"):
            raise ValueError(f"its scale is {scale!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"does not record a scale above 0 ({error}); name it with `--scale`", path=str(record)
        ) from error
    return float(scale)


def _write_parts(collection: Collection, field: str, scale: float, folder: Path) -> tuple[int, int]:
    """Write all documents; returns how many, and how many non-zeros they have."""
    vocabulary = collection.vocabulary(field)
    lines: list[str] = []
    documents = nnz = parts = 0
    for numbers, rows in collection.numbered_vectors(field):
        for at, document in enumerate(collection.documents(numbers)):
            terms, weights = rows.row(at)
            vector = {
                vocabulary[int(term)]: int(level)
                for term, level in zip(terms, quantised(weights, scale), strict=True)
            }
            contents = f"{document.title} {document.text}".strip()
            lines.append(
                json.dumps({"id": document.id, "contents": contents, "vector": vector}, ensure_ascii=False)
            )
        documents += len(numbers)
        nnz += rows.nnz
        if len(lines) >= DOCUMENTS_A_PART:
            _write_part(folder, parts, lines)
            lines, parts = [], parts + 1
    _write_part(folder, parts, lines)
    return documents, nnz


def _write_part(target: Path, part: int, lines: list[str]) -> None:
    (target / f"part-{part:05d}.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
