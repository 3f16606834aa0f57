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
    """Pairs (index into wanted, position) whose hashes are equal; usually at most one a wanted hash."""
    first = np.searchsorted(keys, wanted, side="left")
    last = np.searchsorted(keys, wanted, side="right")
    for index in np.flatnonzero(last > first):
        for at in range(int(first[index]), int(last[index])):
            yield int(index), int(positions[at])
