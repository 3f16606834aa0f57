"""What filters allow, as the scorer takes it: one bitmap a segment, those of the last filters kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence

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
        self._kept: dict[str, list[Words]] = {}  # the newest last

    def of(self, filter: str | Filter) -> list[Words]:
        """Dead documents are not left out. Raises InvalidArgumentError on a text that cannot be read."""
        if isinstance(filter, Filter):
            return [to_words(filter.matches(segment)) for segment in self._segments]
        with self._lock:
            known = self._kept.pop(filter, None)
            if known is not None:
                self._kept[filter] = known
                return known
        made = self.of(parse_filter(filter))
        with self._lock:
            self._kept[filter] = made
            if len(self._kept) > KEPT_FILTERS:
                del self._kept[next(iter(self._kept))]
        return made

    def n_live(self, filter: str | Filter) -> int:
        """How many live documents a filter allows."""
        allowed = zip(self.of(filter), self._live_words, strict=True)
        return sum(int(np.bitwise_count(one if live is None else one & live).sum()) for one, live in allowed)
