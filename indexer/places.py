"""Where the documents of one generation lie: by number, by id and by the scorer's rows, and which are alive.

A document's *place* is its segment and its position there. The scorer counts through all segments: a *row* is a
position behind all positions of the segments before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from lsr.indexer.documents import StoredDocument
from lsr.indexer.manifest import SegmentEntry
from lsr.indexer.rows import BoolArray, Int64Array
from lsr.indexer.segments import Segment
from lsr.indexer.tombstones import Words, live_mask

from lsr.errors import InvalidArgumentError

Place = tuple[int, int]
CHUNK_POSITIONS = 4096


class Places:
    """Finds documents in the segments of one generation."""

    def __init__(
        self,
        path: Path,
        entries: Sequence[SegmentEntry],
        segments: Sequence[Segment],
        live_words: Sequence[Words | None],
    ) -> None:
        """path: the index, for messages; the others are of the same segments, in order."""
        self._path = path
        self._segments = segments
        self._live_words = live_words
        self._bases = np.cumsum([0, *(segment.n_documents for segment in segments)])
        self._first_numbers = [entry.first_number for entry in entries]

    def of(self, number: int | np.integer) -> Place:
        """A document's place, live or not. Raises InvalidArgumentError if there is none."""
        at = int(np.searchsorted(self._first_numbers, number, side="right")) - 1
        position = self._segments[at].position_of(int(number)) if at >= 0 else None
        if position is None:
            raise InvalidArgumentError(f"{self._path}: no document with the number {number}", field="numbers")
        return at, position

    def rows(self, numbers: Sequence[int] | Int64Array) -> Int64Array:
        """The scorer's rows of these documents."""
        places = map(self.of, numbers)
        return np.array([int(self._bases[at]) + position for at, position in places], np.int64)

    def numbers(self, rows: Int64Array) -> Int64Array:
        """The numbers of the scorer's rows."""
        if len(self._segments) == 1:
            return self._segments[0].numbers[rows]
        numbers = np.empty(len(rows), np.int64)
        segment_of = np.searchsorted(self._bases, rows, side="right") - 1
        for at in np.unique(segment_of):
            there = segment_of == at
            numbers[there] = self._segments[at].numbers[rows[there] - self._bases[at]]
        return numbers

    def documents(self, numbers: Sequence[int] | Int64Array) -> list[StoredDocument]:
        """In this order."""
        found: dict[int, StoredDocument] = {}
        for at, wanted in self._by_segment(numbers):
            rows = self._segments[at].documents.fetch([position for _, position in wanted])
            found |= {number: row.stored(number) for (number, _), row in zip(wanted, rows, strict=True)}
        return [found[int(number)] for number in numbers]

    def ids(self, numbers: Sequence[int] | Int64Array) -> list[str]:
        """In this order."""
        found: dict[int, str] = {}
        for at, wanted in self._by_segment(numbers):
            names = self._segments[at].documents.ids([position for _, position in wanted])
            found |= {number: name for (number, _), name in zip(wanted, names, strict=True)}
        return [found[int(number)] for number in numbers]

    def number_of(self, document_id: str) -> int | None:
        """The number of the live document with this id."""
        for at in reversed(range(len(self._segments))):
            for _, position in self._segments[at].find_ids([document_id]):
                if self._is_live(at, position):
                    return int(self._segments[at].numbers[position])
        return None

    def all_documents(self) -> Iterator[StoredDocument]:
        """Every live document in the order of numbers."""
        for at, segment in enumerate(self._segments):
            for position, row in enumerate(segment.documents.rows()):
                if self._is_live(at, position):
                    yield row.stored(int(segment.numbers[position]))

    def live_at(self, ranks: Int64Array) -> Int64Array:
        """The numbers of the live documents with these ranks (ascending) among all live ones."""
        numbers, before = [np.zeros(0, np.int64)], 0
        for at, segment in enumerate(self._segments):
            live = np.flatnonzero(self.live_positions(at))
            here = ranks[(ranks >= before) & (ranks < before + len(live))] - before
            numbers.append(segment.numbers[live[here]])
            before += len(live)
        return np.concatenate(numbers)

    def live_positions(self, segment: int) -> BoolArray:
        """Which positions of a segment are alive, shape (n_documents of the segment,)."""
        return live_mask(self._live_words[segment], self._segments[segment].n_documents)

    def live_chunks(self, segment: int) -> Iterator[tuple[int, int, BoolArray]]:
        """Ranges of positions with a live document, and which are alive."""
        live = self.live_positions(segment)
        for start in range(0, len(live), CHUNK_POSITIONS):
            kept = live[start : start + CHUNK_POSITIONS]
            if kept.any():
                yield start, start + len(kept), kept

    def _by_segment(self, numbers: Sequence[int] | Int64Array) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Each segment with those of the documents that lie in it, as (number, position)."""
        wanted: dict[int, list[tuple[int, int]]] = {}
        for number in numbers:
            at, position = self.of(number)
            wanted.setdefault(at, []).append((int(number), position))
        yield from sorted(wanted.items())

    def _is_live(self, segment: int, position: int) -> bool:
        words = self._live_words[segment]
        return words is None or bool(int(words[position // 64]) >> (position % 64) & 1)
