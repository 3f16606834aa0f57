"""CIFF, the Common Index File Format: an inverted index as a stream of protobuf messages.

Lin et al., "Supporting Interoperability Between Open-Source Search Engines with the Common Index File Format",
SIGIR 2020; https://github.com/osirrc/ciff. Header, then one PostingsList a term in ascending order of terms,
then one DocRecord a document, each behind its length as a varint. A counted field's term frequencies and
document lengths are written as they are; an encoded field's weights become integers with a recorded scale (in
the header's description).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.formats.exchange import (
    DEFAULT_LEVELS,
    Batch,
    ExportReport,
    Imported,
    appearing_whole,
    check_content,
    check_scale,
    export_scale,
    loss_of_fields,
    loss_of_levels,
    quantised,
)

from lsr.errors import InputError, SourceNotFoundError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

BATCH_ROWS = 4096
MAX_MESSAGE_BYTES = 1 << 31

Int64Array = npt.NDArray[np.int64]

_SCALE = re.compile(r"scale=(\S+)")


@dataclass(frozen=True, slots=True)
class _Rows:
    """A field's postings by document: integers, and document lengths."""

    indptr: Int64Array
    terms: Int64Array
    values: Int64Array
    lengths: Int64Array


def export_ciff(
    collection: Collection, field_name: str, target: Path, *, levels: int = DEFAULT_LEVELS
) -> ExportReport:
    """Write one field of all live documents. The field's postings are held in memory meanwhile."""
    counted = collection.field(field_name).kind == "counted"
    scale = None if counted else export_scale(collection, field_name, levels)
    rows = _integer_rows(collection, field_name, scale)
    ids = [name for names, _ in collection.vectors(field_name) for name in names]
    vocabulary = collection.vocabulary(field_name)
    description = f"lsr field={field_name}" + ("" if scale is None else f" scale={scale!r}")
    with appearing_whole(target) as part, part.open("wb") as file:
        _write(file, rows, ids, vocabulary, description)
    lost: tuple[str, ...] = ("titles, texts and metadata", *loss_of_fields(collection, field_name))
    if scale is not None:
        lost = (loss_of_levels(scale, levels), *lost)
    return ExportReport(len(ids), len(rows.terms), scale, lost)


def import_ciff(source: Path, *, scale: float | None = None) -> Imported:
    """Read a file into memory. Weights are its term frequencies times ``scale``: the recorded one, else 1.

    Raises SourceNotFoundError, InputError naming the file and the byte at fault, EmptySourceError.
    """
    if scale is not None:
        check_scale(scale)
    try:
        raw = source.read_bytes()
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{source}: no such file; check the path") from error
    try:
        index = _Parsed.read(raw)
        recorded = _SCALE.search(index.description)
        factor = scale if scale is not None else float(recorded.group(1)) if recorded else 1.0
        vectors = index.vectors(factor)
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"not a CIFF file ({error})", path=str(source)) from error
    ids = index.ids
    check_content(source, len(ids), len(index.terms))

    def batches() -> Iterator[Batch]:
        for start in range(0, len(ids), BATCH_ROWS):
            stop = min(start + BATCH_ROWS, len(ids))
            yield [DocumentInput(name) for name in ids[start:stop]], vectors.rows(start, stop)

    lost = ("titles, texts and metadata", "document lengths")
    return Imported(source.name, Vocabulary(index.terms), batches, lost)


def _integer_rows(collection: Collection, name: str, scale: float | None) -> _Rows:
    sizes, terms, values, lengths = ([np.zeros(0, np.int64)] for _ in range(4))
    for counts in collection.counts(name) if scale is None else ():
        sizes.append(np.diff(counts.indptr))
        terms.append(counts.terms.astype(np.int64))
        values.append(counts.counts.astype(np.int64))
        lengths.append(counts.lengths.astype(np.int64))
    for _, batch in collection.vectors(name) if scale is not None else ():
        levels = quantised(batch.weights, scale or 1.0)
        sizes.append(np.diff(batch.indptr))
        terms.append(batch.terms.astype(np.int64))
        values.append(levels)
        lengths.append(np.diff(np.concatenate([[0], np.cumsum(levels)])[batch.indptr]))
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
    return _Rows(indptr, *(np.concatenate(parts) for parts in (terms, values, lengths)))


def _write(file: BinaryIO, rows: _Rows, ids: list[str], vocabulary: Vocabulary, description: str) -> None:
    document_of = np.repeat(np.arange(len(ids)), np.diff(rows.indptr))
    order = np.argsort(rows.terms, kind="stable")
    starts = np.searchsorted(rows.terms[order], np.arange(len(vocabulary) + 1))
    present = [term for term in range(len(vocabulary)) if starts[term + 1] > starts[term]]
    present.sort(key=lambda term: vocabulary[term].encode())
    total = int(rows.lengths.sum())
    header = _integer(1, 1) + _integer(2, len(present)) + _integer(3, len(ids)) + _integer(4, len(present))
    header += _integer(5, len(ids)) + _integer(6, total) + _double(7, total / max(len(ids), 1))
    _write_message(file, header + _bytes(8, description.encode()))
    for term in present:
        chosen = order[starts[term] : starts[term + 1]]
        documents, values = document_of[chosen], rows.values[chosen]
        gaps = np.diff(documents, prepend=0)
        body = [_bytes(1, vocabulary[term].encode()), _integer(2, len(chosen)), _integer(3, int(values.sum()))]
        body += [
            _bytes(4, _integer(1, gap) + _integer(2, value))
            for gap, value in zip(gaps.tolist(), values.tolist(), strict=True)
        ]
        _write_message(file, b"".join(body))
    for at, (name, length) in enumerate(zip(ids, rows.lengths.tolist(), strict=True)):
        _write_message(file, _integer(1, at) + _bytes(2, name.encode()) + _integer(3, length))


@dataclass(slots=True)
class _Parsed:
    """A CIFF file in memory: postings by term."""

    description: str
    terms: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    documents: list[Int64Array] = field(default_factory=list)
    values: list[Int64Array] = field(default_factory=list)

    @classmethod
    def read(cls, raw: bytes) -> _Parsed:
        messages = _messages(raw)
        header = dict(_fields(_next(messages, "a header")))
        n_lists, n_documents = int(header.get(2, 0)), int(header.get(3, 0))
        description = header.get(8, b"")
        parsed = cls(description.decode() if isinstance(description, bytes) else "")
        for _ in range(n_lists):
            parsed._add_list(_next(messages, "a postings list"))
        ids: dict[int, str] = {}
        for _ in range(n_documents):
            record = dict(_fields(_next(messages, "a document record")))
            ids[int(record.get(1, 0))] = _whole(record.get(2), "a document record without an id").decode()
        if sorted(ids) != list(range(n_documents)):
            raise ValueError("document numbers are not 0, 1, …")
        parsed.ids = [ids[at] for at in range(n_documents)]
        return parsed

    def vectors(self, scale: float) -> SparseVectors:
        counts = [len(documents) for documents in self.documents]
        documents, values = (
            np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (self.documents, self.values)
        )
        terms = np.repeat(np.arange(len(self.terms)), counts)
        if len(documents) and int(documents.max()) >= len(self.ids):
            raise ValueError(f"a posting names document {int(documents.max())} of {len(self.ids)}")
        order = np.lexsort((terms, documents))
        indptr = np.searchsorted(documents[order], np.arange(len(self.ids) + 1))
        return SparseVectors.checked(indptr, terms[order], values[order] * scale, max(len(self.terms), 1))

    def _add_list(self, message: bytes) -> None:
        documents, values, at = [], [], 0
        term: int | bytes | None = None
        for number, value in _fields(message):
            if number == 1:
                term = value
            elif number == 4:
                posting = dict(_fields(_whole(value, "a posting that is no message")))
                at += int(posting.get(1, 0))
                documents.append(at)
                values.append(int(posting.get(2, 0)))
        self.terms.append(_whole(term, "a postings list without a term").decode())
        self.documents.append(np.array(documents, np.int64))
        self.values.append(np.array(values, np.int64))


def _next(messages: Iterator[bytes], what: str) -> bytes:
    message = next(messages, None)
    if message is None:
        raise ValueError(f"it ends before {what}")
    return message


def _whole(value: int | bytes | None, otherwise: str) -> bytes:
    """A field of bytes as it is. Raises ValueError if there is none, or a number in its place."""
    if not isinstance(value, bytes):
        raise ValueError(otherwise)
    return value


def _write_message(file: BinaryIO, body: bytes) -> None:
    file.write(_varint(len(body)))
    file.write(body)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _messages(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        size, at = _read_varint(raw, at)
        if size > MAX_MESSAGE_BYTES or at + size > len(raw):
            raise ValueError(f"a message at byte {at} ends beyond the file")
        yield raw[at : at + size]
        at += size


def _fields(message: bytes) -> Iterable[tuple[int, int | bytes]]:
    """(number, value) of each field: integers and doubles as int or raw bytes, the rest as bytes."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"unknown protobuf type {kind}")
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            size, at = _read_varint(message, at)
        if at + size > len(message):
            raise ValueError("a field ends beyond its message")
        yield number, message[at : at + size]
        at += size


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number at byte {at} is too long")
