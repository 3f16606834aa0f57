"""How much is encoded at once: texts of like lengths within a memory budget, less after a failed allocation."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from lsr.errors import InvalidArgumentError, ResourceError
from lsr.vectors import SparseVectors

logger = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]

# Part of the available memory that encoding may fill when no limit is given; the rest is for the index being
# built, the page cache and the neighbours.
SHARE_OF_AVAILABLE = 0.25
# So a long run trims after each of its batches, which costs the smallest model 3 % (15 ms in 500); a lone query
# seldom does.
TRIM_TOKENS = 1024
# glibc maps allocations of this size on their own, so that freeing them gives them back, but raises the size to
# up to 32 MB as a program frees such; batches of changing sizes leave holes in the heap then. A set size stays.
MAPPED_BYTES = 256 * 1024
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What a batch of padded texts costs a kernel.

    bytes_per_token: working memory for one padded position
    bytes_per_text:  working memory for one text, besides its positions
    best_tokens: padded positions beyond which a larger batch is no faster
    fragments: whether batches leave holes in the C heap, as torch's tensors of changing sizes do
    """

    bytes_per_token: int
    bytes_per_text: int
    best_tokens: int
    fragments: bool = False

    def bytes_of(self, n_texts: int, longest: int) -> int:
        return n_texts * (longest * self.bytes_per_token + self.bytes_per_text)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most one batch may hold; a single text is always let through."""

    bytes: int
    tokens: int

    def holds(self, cost: BatchCost, n_texts: int, longest: int) -> bool:
        return n_texts == 1 or (
            n_texts * longest <= self.tokens and cost.bytes_of(n_texts, longest) <= self.bytes
        )


class Batcher:
    """Runs a kernel over any number of texts within a memory budget.

    The budget follows from ``memory`` or, without it, from the memory available when the encoder is made. It
    only ever shrinks: an allocation that fails halves it, is logged and counted, and the work goes on.
    """

    def __init__(self, cost: BatchCost, memory: int | None, longest: int) -> None:
        """longest: the most tokens a text can have.

        Raises InvalidArgumentError if ``memory`` (bytes) cannot hold one text of that length.
        """
        least = cost.bytes_of(1, longest)
        if memory is not None and memory < least:
            raise InvalidArgumentError(
                f"memory: {memory:,} bytes, but one text of {longest} tokens needs {least:,}."
                f" Give at least that, or encode shorter texts.",
                field="memory",
            )
        given = memory if memory is not None else int(available_memory() * SHARE_OF_AVAILABLE)
        self._cost = cost
        self._longest = longest
        self.budget = Budget(max(given, least), cost.best_tokens)
        self.backoffs = 0
        self._untrimmed = 0
        if cost.fragments:
            map_large_allocations()

    @property
    def batch_tokens(self) -> int:
        """Tokens that a batch of the longest texts has now."""
        by_memory = self.budget.bytes // self._cost.bytes_of(1, self._longest)
        return max(1, min(by_memory, self.budget.tokens // self._longest)) * self._longest

    def run(self, lengths: IntArray, encode: Callable[[IntArray], SparseVectors]) -> SparseVectors:
        """``encode`` applied to batches of text positions; rows come back in the texts' own order.

        lengths: tokens of each text. The longest go first, so that memory runs out at the start or not at
        all, and later batches fit where earlier ones were.
        """
        order = np.argsort(-lengths, kind="stable")
        parts = []
        start = 0
        while start < len(order):
            stop = self._end_of_batch(lengths[order], start)
            try:
                parts.append(encode(order[start:stop]))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._back_off(stop - start, int(lengths[order[start]]), error)
                continue
            self._trim((stop - start) * int(lengths[order[start]]))
            start = stop
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        rows = SparseVectors.concatenate(parts).take(back)
        parts.clear()
        self._trim(int(lengths.sum()))  # what putting the parts together left behind
        return rows

    def _end_of_batch(self, descending: IntArray, start: int) -> int:
        longest = int(descending[start])
        stop = start + 1
        while stop < len(descending) and self.budget.holds(self._cost, stop - start + 1, longest):
            stop += 1
        return stop

    def _trim(self, tokens: int) -> None:
        """Give freed memory back every TRIM_TOKENS, or a long run's resident memory creeps up by a third."""
        self._untrimmed += tokens
        if self._cost.fragments and self._untrimmed >= TRIM_TOKENS:
            self._untrimmed = 0
            trim_heap()

    def _back_off(self, n_texts: int, longest: int, error: Exception) -> None:
        if n_texts == 1:
            raise ResourceError(
                f"encoding: no memory for a single text of {longest} tokens"
                f" (about {self._cost.bytes_of(1, longest):,} bytes of working memory)."
                " Free memory, use a shorter document length or a smaller model."
            ) from error
        self.budget = Budget(self._cost.bytes_of(n_texts, longest) // 2, max(1, n_texts * longest // 2))
        self.backoffs += 1
        logger.warning(
            "out of memory with %d texts of up to %d tokens; batches are halved to %d tokens from here on",
            n_texts,
            longest,
            self.budget.tokens,
        )


def trim_heap() -> None:
    """Return the free pages of the C heap to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@cache
def map_large_allocations() -> None:
    """Keep large allocations out of the C heap, for the whole process, where the C library can (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def windows(n_texts: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` texts."""
    for start in range(0, n_texts, size):
        yield slice(start, min(start + size, n_texts))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: torch says so in a RuntimeError (its CUDA class is one)."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def available_memory() -> int:
    """Bytes this process may still use: the machine's, or its control group's if that is less."""
    available = int(psutil.virtual_memory().available)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    try:
        return min(available, max(0, int(limit.read_text()) - int(used.read_text())))
    except (OSError, ValueError):  # no control group, or "max"
        return available
