"""From a document's id (the user's string) to its position in a segment.

A segment keeps the sorted 64-bit hashes of its ids beside their positions, so that a batch of ids is looked up
with one binary search an array instead of one SQL query an id. Hashes collide (rarely): the caller compares the
id itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

UInt64Array = npt.NDArray[np.uint64]


def hash_ids(ids: Sequence[str]) -> UInt64Array:
    """The first 8 bytes of each id's BLAKE2b, as little-endian integers, shape (len(ids),).

    An id with half a character may be asked for; none is stored, so it is not found.
    """
    encoded = (text.encode("utf-8", "surrogatepass") for text in ids)
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in encoded)
    return np.frombuffer(digests, dtype="<u8")


def sorted_keys(hashes: UInt64Array) -> tuple[UInt64Array, npt.NDArray[np.uint32]]:
    """The hashes ascending, and the position each came from."""
    order = np.argsort(hashes, kind="stable")
    return hashes[order], order.astype(np.uint32)


def candidates(
    keys: UInt64Array, positions: npt.NDArray[np.uint32], wanted: UInt64Array
) -> Iterator[tuple[int, int]]:
    """Pairs (index into wanted, position) whose hashes are equal; usually at most one a wanted hash.

    Most searches of a build find nothing. In ascending order each begins where the one before ended, in memory
    that the processor still has at hand.
    """
    order = np.argsort(wanted)
    ascending = wanted[order]
    first = np.searchsorted(keys, ascending, side="left")
    there = np.flatnonzero(keys[np.minimum(first, len(keys) - 1)] == ascending) if len(keys) else first[:0]
    last = np.searchsorted(keys, ascending[there], side="right")
    runs = zip(order[there].tolist(), first[there].tolist(), last.tolist(), strict=True)
    for index, start, stop in sorted(runs):
        for at in range(start, stop):
            yield index, int(positions[at])
