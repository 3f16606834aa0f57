"""One JSON object a line: {"id", "title", "text", "metadata", "vector": {term: weight}}. Nothing of a field is
lost.

float32 weights are written with as many digits as bring the same float32 back. The same reader takes Anserini's
JsonVectorCollection: there ``contents`` is the text and weights are integers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput, StoredDocument
from lsr.indexer.formats.exchange import (
    Batch,
    ExportReport,
    Imported,
    appearing_whole,
    check_content,
    check_scale,
    loss_of_fields,
    vocabulary_of,
)

from lsr.errors import InputError, SourceNotFoundError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

BATCH_LINES = 1000

# What float32 can hold above zero.
LEAST_WEIGHT = float(np.finfo(np.float32).smallest_subnormal)
LARGEST_WEIGHT = float(np.finfo(np.float32).max)


def export_jsonl(collection: Collection, field: str, target: Path) -> ExportReport:
    """Write all live documents with one field's vectors; a counted field's are its BM25 impacts."""
    vocabulary = collection.vocabulary(field)
    documents = nnz = 0
    with appearing_whole(target) as part, part.open("w", encoding="utf-8") as file:
        for numbers, rows in collection.numbered_vectors(field):
            for at, document in enumerate(collection.documents(numbers)):
                file.write(_line(document, rows, at, vocabulary))
            documents += len(numbers)
            nnz += rows.nnz
    return ExportReport(documents, nnz, None, loss_of_fields(collection, field))


def import_jsonl(source: Path, *, scale: float = 1.0) -> Imported:
    """Read a file, or every .json and .jsonl file of a folder, twice: for its terms, then for its vectors.

    scale: what to multiply the file's weights by
    Raises InputError naming file, line and cause; EmptySourceError where there is no line.
    """
    files = _files(source)
    check_scale(scale)
    n_documents, terms = 0, dict[str, None]()
    for _, _, record in _records(files):
        n_documents += 1
        terms.update(dict.fromkeys(record["vector"]))
    check_content(source, n_documents, len(terms))
    vocabulary = vocabulary_of(terms, source)
    lost = () if scale != 1.0 else ("the scale of integer weights, unless it is given",) * _integers(files)
    return Imported(source.name, vocabulary, lambda: _batches(files, vocabulary, scale), lost)


def _line(document: StoredDocument, rows: SparseVectors, at: int, vocabulary: Vocabulary) -> str:
    terms, weights = rows.row(at)
    record = {
        "id": document.id,
        "title": document.title,
        "text": document.text,
        "metadata": document.metadata,
        "vector": {
            vocabulary[int(term)]: float(str(weight)) for term, weight in zip(terms, weights, strict=True)
        },
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _files(source: Path) -> list[Path]:
    files = [source]
    if source.is_dir():
        files = sorted(path for path in source.iterdir() if path.suffix in (".json", ".jsonl"))
    if not files or not files[0].is_file():
        raise SourceNotFoundError(
            f"{source}: no such file, or a folder without .json or .jsonl files; check the path"
        )
    return files


def _records(files: list[Path]) -> Iterator[tuple[Path, int, Mapping[str, Any]]]:
    for path in files:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield path, number, _record(line, path, number)


def _record(line: bytes, path: Path, number: int) -> Mapping[str, Any]:
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON ({error})", path=str(path), line=number) from error
    fault = None
    if not isinstance(record, dict) or not isinstance(record.get("vector"), dict):
        fault = (
            'needs an object "vector" of terms and weights; `lsr index` takes texts without one,'
            " and `--format` names another form of vectors"
        )
    elif not isinstance(record.get("id"), str | int) or record["id"] == "":
        fault = 'needs an "id"'
    elif not all(isinstance(weight, int | float) and weight >= 0 for weight in record["vector"].values()):
        fault = "weights must be numbers of 0 or more"
    elif not all(isinstance(record.get(key, ""), str) for key in ("title", "text", "contents")):
        fault = "title, text and contents must be texts"
    elif not isinstance(record.get("metadata", {}), dict):
        fault = "metadata must be an object"
    if fault is not None:
        raise InputError(fault, path=str(path), line=number)
    return record  # type: ignore[no-any-return]


def _integers(files: list[Path]) -> bool:
    """Whether the first vector's weights are all integers above 1, as quantised ones are."""
    for _, _, record in _records(files):
        weights = record["vector"].values()
        return bool(weights) and all(isinstance(weight, int) for weight in weights)
    return False


def _batches(files: list[Path], vocabulary: Vocabulary, scale: float) -> Iterator[Batch]:
    documents: list[DocumentInput] = []
    vectors: list[dict[int, float]] = []
    for path, line, record in _records(files):
        documents.append(
            DocumentInput(
                str(record["id"]),
                record.get("text", record.get("contents", "")),
                record.get("title", ""),
                record.get("metadata", {}),
            )
        )
        try:
            vectors.append(_vector(record["vector"], vocabulary, scale))
        except ValueError as error:
            raise InputError(str(error), path=str(path), line=line) from error
        if len(documents) == BATCH_LINES:
            yield documents, SparseVectors.from_id_dicts(vectors, len(vocabulary))
            documents, vectors = [], []
    if documents:
        yield documents, SparseVectors.from_id_dicts(vectors, len(vocabulary))


def _vector(weights: Mapping[str, float], vocabulary: Vocabulary, scale: float) -> dict[int, float]:
    """By term id; weights of 0 are left out. Raises ValueError for a weight that float32 cannot hold."""
    vector = {}
    for term, given in weights.items():
        weight = float(min(given, sys.float_info.max))  # integers of JSON have no bounds
        number = vocabulary.id_of(term)
        if weight == 0 or number is None:
            continue
        if not LEAST_WEIGHT <= weight * scale <= LARGEST_WEIGHT:
            raise ValueError(f"the weight of {term!r}, {weight:g} times {scale:g}, is beyond float32")
        vector[number] = weight * scale
    return vector
