"""What filters allow, as the scorer takes it: one bitmap a segment, those of the last filters kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from lsr.indexer.filters import Filter, parse_filter
from lsr.indexer.segments import Segment
from lsr.indexer.tombstones import Words, to_words

KEPT_FILTERS = 32


class FilterBitmaps:
    """The bitmaps of one generation. Threads share it."""

    def __init__(self, segments: Sequence[Segment], live_words: Sequence[Words | None]) -> None:
        self._segments = segments
        self._live_words = live_words
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Filter, list[Words]]] = {}  # the newest last

    def of(self, filter: str | Filter) -> list[Words]:
        """Dead documents are not left out. Raises InvalidArgumentError on a text that cannot be read."""
        return self._made(filter) if isinstance(filter, Filter) else self._read(filter)[1]

    def n_live(self, filter: str | Filter) -> int:
        """How many live documents a filter allows."""
        allowed = zip(self.of(filter), self._live_words, strict=True)
        return sum(int(np.bitwise_count(one if live is None else one & live).sum()) for one, live in allowed)

    def unknown_keys(self, filter: str | Filter) -> list[str]:
        """The keys of metadata that a filter names and no document has, sorted."""
        read = filter if isinstance(filter, Filter) else self._read(filter)[0]
        return sorted(read.keys - self.keys)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of the documents' metadata, deleted ones' included until a merge drops them."""
        return frozenset().union(*(segment.metadata.keys for segment in self._segments))

    def _read(self, text: str) -> tuple[Filter, list[Words]]:
        with self._lock:
            known = self._kept.pop(text, None)
            if known is not None:
                self._kept[text] = known
                return known
        read = parse_filter(text)
        known = read, self._made(read)
        with self._lock:
            self._kept[text] = known
            if len(self._kept) > KEPT_FILTERS:
                del self._kept[next(iter(self._kept))]
        return known

    def _made(self, filter: Filter) -> list[Words]:
        return [to_words(filter.matches(segment)) for segment in self._segments]
