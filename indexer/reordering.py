"""Documents of a new segment put next to those like them, so that searches skip more of it.

The order comes from one field (``kernels.bisected_order``) and becomes that of the rows and of the documents'
numbers, so everything that reads a segment stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentRow, Positions
from lsr.indexer.ids import UInt64Array
from lsr.indexer.kernels import HEAVIEST, bisected_order, heaviest_terms
from lsr.indexer.manifest import FieldEntry
from lsr.indexer.rows import (
    FieldReader,
    Forward,
    Int64Array,
    RowSource,
    concatenate,
    live_chunks,
    live_only,
    n_live,
)

READ_AT_ONCE = 4096


def reordered(sources: Sequence[RowSource], fields: Sequence[FieldEntry], *, threads: int) -> ReorderedRows:
    """The live rows of all sources as one source, in an order in which neighbours share terms.

    The field with the most non-zeros decides, an encoded one if there is one: its lists are what searches read
    most of. Holds 150 bytes a document meanwhile and 24 afterwards.
    """
    deciding = max(fields, key=lambda field: (field.kind == "encoded", _nnz(sources, field.name)))
    order = bisected_order(_heaviest(sources, deciding.name), threads=threads)
    return ReorderedRows(sources, order.astype(np.int64))


class ReorderedRows:
    """The live rows of other sources in a given order; read from there when they are wanted."""

    def __init__(self, sources: Sequence[RowSource], order: Int64Array) -> None:
        """order: a permutation of the live rows, counted through the sources."""
        self._sources = sources
        self._order = order
        positions = [live_only(source, np.arange(len(source.numbers))) for source in sources]
        self._source = np.repeat(np.arange(len(sources)), [len(each) for each in positions])[order]
        self._position = np.concatenate(positions)[order]

    def __len__(self) -> int:
        return len(self._order)

    @property
    def numbers(self) -> Int64Array:
        """Those of the rows in their old order: they ascend, and nobody has seen them yet."""
        return np.concatenate([live_only(source, source.numbers) for source in self._sources])

    @property
    def live(self) -> None:
        return None

    def nnz(self, field_name: str) -> int:
        return _nnz(self._sources, field_name)

    def forward(self, field_name: str) -> FieldReader:
        return _ReorderedField(self, [source.forward(field_name) for source in self._sources])

    def id_hashes(self) -> UInt64Array:
        hashes = [live_only(source, source.id_hashes()) for source in self._sources]
        return np.concatenate(hashes)[self._order]

    @property
    def table(self) -> None:
        return None

    def documents(self) -> Iterator[DocumentColumns]:
        for start in range(0, len(self), READ_AT_ONCE):
            yield DocumentColumns.of_rows(self.fetch(range(start, min(start + READ_AT_ONCE, len(self)))))

    def fetch(self, positions: Positions) -> list[DocumentRow]:
        rows: dict[int, DocumentRow] = {}
        for source, places, there in self.by_source(np.asarray(positions, np.int64)):
            rows |= zip(places.tolist(), self._sources[source].fetch(there), strict=True)
        return [rows[place] for place in range(len(positions))]

    def by_source(self, positions: Int64Array) -> Iterator[tuple[int, Int64Array, Int64Array]]:
        """For each source that has some of these rows: its place, and theirs in ``positions`` and in it."""
        sources = self._source[positions]
        for source in np.unique(sources):
            places = np.flatnonzero(sources == source)
            yield int(source), places, self._position[positions[places]]


class _ReorderedField:
    def __init__(self, rows: ReorderedRows, parts: Sequence[FieldReader]) -> None:
        self._rows = rows
        self._parts = parts

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, start: int, stop: int) -> Forward:
        return self.take(np.arange(start, stop))

    def take(self, positions: Int64Array) -> Forward:
        found, places = [], [np.zeros(0, np.int64)]
        for source, there, wanted in self._rows.by_source(positions):
            found.append(self._parts[source].take(wanted))
            places.append(there)
        return concatenate(found).take(np.argsort(np.concatenate(places)))


def _nnz(sources: Sequence[RowSource], field_name: str) -> int:
    return sum(source.nnz(field_name) for source in sources)


def _heaviest(sources: Sequence[RowSource], field_name: str) -> npt.NDArray[np.uint32]:
    """Of the live rows; in a counted field, those with the most occurrences."""
    heaviest = np.empty((sum(map(n_live, sources)), HEAVIEST), np.uint32)
    start = 0
    for rows in live_chunks(sources, field_name):
        here = heaviest_terms(rows.indptr.astype(np.int64), rows.terms, rows.values.astype(np.float32))
        heaviest[start : start + len(here)] = here
        start += len(here)
    return heaviest
