"""Documents on their way into a segment, wherever they come from.

A segment is written from sources of rows: documents added but not yet flushed (``PendingRows``), shards of an
unfinished build, or older segments being merged. All speak ``RowSource``; ``live_chunks`` reads them in pieces
of bounded size and leaves the dead ones out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import Array
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentRow, Positions
from lsr.indexer.ids import UInt64Array
from lsr.indexer.tables import TableWriter

from lsr.errors import IndexCorruptError
from lsr.vectors import SparseVectors, TermCounts

CHUNK_ROWS = 16_384

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]
FieldRows = SparseVectors | TermCounts


@dataclass(frozen=True, slots=True)
class Forward:
    """Rows of one field in CSR form, as any source has them.

    indptr:  int64, shape (n + 1,)
    terms:   uint16 or uint32, shape (nnz,)
    values:  encoded: weights, float32 or as the field stores them; counted: counts, an unsigned type
    lengths: counted: shape (n,); encoded: empty
    """

    indptr: Array
    terms: Array
    values: Array
    lengths: Array

    @classmethod
    def of(cls, rows: FieldRows) -> Forward:
        if isinstance(rows, TermCounts):
            return cls(rows.indptr, rows.terms, rows.counts, rows.lengths)
        return cls(rows.indptr, rows.terms, rows.weights, np.zeros(0, np.uint32))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        return int(self.indptr[-1]) - int(self.indptr[0])

    @property
    def sizes(self) -> Int64Array:
        """Non-zeros of each row."""
        bounds: Int64Array = self.indptr.astype(np.int64)
        sizes: Int64Array = np.diff(bounds)
        return sizes

    def rows(self, start: int, stop: int) -> Forward:
        """Rows start to stop, with an indptr that begins at 0."""
        indptr = self.indptr[start : stop + 1].astype(np.int64)
        first, last = int(indptr[0]), int(indptr[-1])
        return Forward(
            indptr - first, self.terms[first:last], self.values[first:last], self.lengths[start:stop]
        )

    def take(self, positions: Int64Array) -> Forward:
        """The rows at these positions, in this order."""
        starts = self.indptr[positions].astype(np.int64)
        sizes = self.indptr[positions + 1].astype(np.int64) - starts
        indptr = np.zeros(len(positions) + 1, np.int64)
        np.cumsum(sizes, out=indptr[1:])
        entries = np.repeat(starts - indptr[:-1], sizes) + np.arange(indptr[-1])
        lengths = self.lengths[positions] if len(self.lengths) else self.lengths
        return Forward(indptr, self.terms[entries], self.values[entries], lengths)

    def where(self, kept: BoolArray) -> Forward:
        """The rows where ``kept``, shape (n,), is true."""
        sizes = self.sizes
        indptr = np.zeros(int(kept.sum()) + 1, np.int64)
        np.cumsum(sizes[kept], out=indptr[1:])
        entries = np.repeat(kept, sizes)
        lengths = self.lengths[kept] if len(self.lengths) else self.lengths
        return Forward(indptr, self.terms[entries], self.values[entries], lengths)


class FieldReader(Protocol):
    """Rows of one field that are read in pieces."""

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int) -> Forward:
        """Rows start to stop, with an indptr that begins at 0."""

    def take(self, positions: Int64Array) -> Forward:
        """The rows at these positions, in this order."""


class RowSource(Protocol):
    """Documents at positions 0, 1, … with their rows in every field."""

    @property
    def numbers(self) -> Int64Array:
        """Document numbers, ascending, shape (n,)."""

    @property
    def live(self) -> BoolArray | None:
        """False where a document has been deleted or replaced; None if all are live."""

    def nnz(self, field_name: str) -> int:
        """Non-zeros in a field, those of dead documents included."""

    def forward(self, field_name: str) -> FieldReader: ...

    def id_hashes(self) -> UInt64Array:
        """``hash_ids`` of the ids, in the order of positions."""

    @property
    def table(self) -> Path | None:
        """A file with the table of all these documents; None if there is none."""

    def documents(self) -> Iterator[DocumentColumns]:
        """All documents, the dead ones too, in pieces."""

    def fetch(self, positions: Positions) -> list[DocumentRow]:
        """The documents at these positions, in this order."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one ``add`` brought."""

    documents: DocumentColumns
    hashes: UInt64Array
    fields: Mapping[str, Forward]
    records_done: int
    size_bytes: int


class PendingRows:
    """Added documents held in memory.

    A batch arrives by one ``append``, so that an interrupt (Ctrl-C) finds all of it or nothing, and
    ``records_done``, the input records behind these rows, always fits.
    """

    def __init__(self, first_number: int, records_done: int = 0) -> None:
        self.first_number = first_number
        self._records_before = records_done
        self._batches: list[_Batch] = []
        self._dead: set[int] = set()

    def __len__(self) -> int:
        return sum(len(batch.documents) for batch in self._batches)

    def add(
        self,
        documents: DocumentColumns,
        hashes: UInt64Array,
        fields: Mapping[str, FieldRows],
        *,
        records_done: int,
    ) -> None:
        forward = {name: Forward.of(each) for name, each in fields.items()}
        size_bytes = documents.size_bytes + sum(8 * each.nnz for each in forward.values())
        self._batches.append(_Batch(documents, hashes, forward, records_done, size_bytes))

    def kill(self, position: int) -> None:
        self._dead.add(position)

    @property
    def records_done(self) -> int:
        return self._batches[-1].records_done if self._batches else self._records_before

    @property
    def size_bytes(self) -> int:
        """Roughly what is held."""
        return sum(batch.size_bytes for batch in self._batches)

    @property
    def numbers(self) -> Int64Array:
        return np.arange(self.first_number, self.first_number + len(self), dtype=np.int64)

    @property
    def live(self) -> BoolArray | None:
        if not self._dead:
            return None
        live = np.ones(len(self), np.bool_)
        live[list(self._dead)] = False
        return live

    def nnz(self, field_name: str) -> int:
        return sum(batch.fields[field_name].nnz for batch in self._batches)

    def forward(self, field_name: str) -> PendingField:
        return PendingField([batch.fields[field_name] for batch in self._batches])

    def id_hashes(self) -> UInt64Array:
        return np.concatenate([np.zeros(0, np.uint64), *(batch.hashes for batch in self._batches)])

    @property
    def table(self) -> None:
        return None

    def documents(self) -> Iterator[DocumentColumns]:
        return (batch.documents for batch in self._batches)

    def fetch(self, positions: Positions) -> list[DocumentRow]:
        starts = np.cumsum([0, *(len(batch.documents) for batch in self._batches)])
        batches = np.searchsorted(starts, positions, side="right") - 1
        return [
            self._batches[batch].documents.row(int(position - starts[batch]))
            for batch, position in zip(batches.tolist(), positions, strict=True)
        ]


class PendingField:
    """A field of rows in memory, as the batches they came in."""

    def __init__(self, parts: Sequence[Forward]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, start: int, stop: int) -> Forward:
        """A copy of these alone: one of all rows would hold them twice."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, stop, side="left"))
        spans = zip(self._parts[first:last], self._starts[first:last].tolist(), strict=True)
        return concatenate(
            [part.rows(max(start - begin, 0), min(stop - begin, len(part))) for part, begin in spans]
        )

    def take(self, positions: Int64Array) -> Forward:
        return self._joined.take(positions)

    @cached_property
    def _joined(self) -> Forward:
        return concatenate(self._parts)


def concatenate(parts: Sequence[Forward]) -> Forward:
    """The rows of all parts, in order."""
    parts = [part.rows(0, len(part)) for part in parts]
    if len(parts) == 1:
        return parts[0]
    sizes = np.concatenate([np.zeros(1, np.int64), *(part.sizes for part in parts)])
    return Forward(
        np.cumsum(sizes),
        np.concatenate([part.terms for part in parts]) if parts else np.zeros(0, np.uint32),
        np.concatenate([part.values for part in parts]) if parts else np.zeros(0, np.float32),
        np.concatenate([part.lengths for part in parts]) if parts else np.zeros(0, np.uint32),
    )


def require_terms(rows: Forward, field_name: str, n_terms: int) -> None:
    """Raise IndexCorruptError unless all terms of stored rows are below ``n_terms``."""
    if len(rows.terms) and int(rows.terms.max()) >= n_terms:
        raise IndexCorruptError(
            f"field {field_name}: a document holds term {int(rows.terms.max())}, but there are {n_terms}."
            " Find the damage with `lsr verify --full`; restore the index from a snapshot, or build it again."
        )


def ascending(rows: Forward) -> bool:
    """Whether the terms of each row rise, so that none occurs twice."""
    terms = rows.terms.astype(np.int64)
    rising = terms[1:] > terms[:-1]
    if len(rows) > 1:  # a row's first term may be below the last one of the row before
        inner = rows.indptr[1:-1].astype(np.int64)
        rising[inner[(inner > 0) & (inner < len(terms))] - 1] = True
    return bool(rising.all())


def require_rows(rows: Forward, n: int, where: Path) -> None:
    """Raise IndexCorruptError unless there are n rows of a file, in order and inside their arrays."""
    bounds = rows.indptr.astype(np.int64)
    sound = len(bounds) == n + 1 and bounds[0] >= 0 and bool(np.all(bounds[1:] >= bounds[:-1]))
    if not (sound and bounds[-1] <= min(len(rows.terms), len(rows.values)) and len(rows.lengths) in (0, n)):
        raise IndexCorruptError(
            f"{where}: its rows lie outside their arrays. Discard the build or the staged changes."
        )


def term_dtype(n_terms: int) -> type[np.unsignedinteger]:
    """The narrower of the types that hold all terms of a field."""
    return np.uint16 if n_terms <= 2**16 else np.uint32


def chunks(rows: FieldReader) -> Iterator[Forward]:
    """All rows, in order, at most CHUNK_ROWS at once."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows.rows(start, min(start + CHUNK_ROWS, len(rows)))


def live_chunks(sources: Sequence[RowSource], field_name: str) -> Iterator[Forward]:
    """The live rows of all sources, in order, at most CHUNK_ROWS at once."""
    for source in sources:
        live, start = source.live, 0
        for chunk in chunks(source.forward(field_name)):
            yield chunk if live is None else chunk.where(live[start : start + len(chunk)])
            start += len(chunk)


def write_live_documents(table: TableWriter, sources: Sequence[RowSource]) -> None:
    """Append the live documents of all sources to a table, in order."""
    for source in sources:
        if source.table is not None and source.live is None:
            table.append_table(source.table, len(source.numbers))
        else:
            for documents in _live_documents(source):
                table.append(documents)


def _live_documents(source: RowSource) -> Iterator[DocumentColumns]:
    live, start = source.live, 0
    for documents in source.documents():
        yield documents if live is None else documents.where(live[start : start + len(documents)].tolist())
        start += len(documents)


def live_only(source: RowSource, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The values, one a document, of the live ones."""
    return values if source.live is None else values[source.live]


def n_live(source: RowSource) -> int:
    live = source.live
    return len(source.numbers) if live is None else int(live.sum())
