"""A field's terms on disk: u32 length and UTF-8 bytes, one after another, in an array file of bytes.

These are the very bytes that a vocabulary's fingerprint is the SHA-256 of. A counted field's terms lie in
several files, each beginning where the one before ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import Array

from lsr.errors import IndexCorruptError


def pack_terms(terms: Iterable[str]) -> npt.NDArray[np.uint8]:
    pieces = []
    for term in terms:
        encoded = term.encode("utf-8", "surrogatepass")
        pieces += [len(encoded).to_bytes(4, "little"), encoded]
    return np.frombuffer(b"".join(pieces), dtype=np.uint8)


def unpack_terms(packed: Array, path: Path) -> list[str]:
    """Raises IndexCorruptError if the lengths do not add up."""
    raw = packed.tobytes()
    terms, at = [], 0
    try:
        while at < len(raw):
            end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
            if end > len(raw):
                raise ValueError(f"a term ends at byte {end} of {len(raw)}")
            terms.append(raw[at + 4 : end].decode("utf-8", "surrogatepass"))
            at = end
    except ValueError as error:
        raise IndexCorruptError(
            f"{path}: the terms cannot be read ({error}). Restore the index from a snapshot, or build it again."
        ) from error
    return terms


def read_terms(files: Sequence[tuple[Path, Array]], expected: int) -> list[str]:
    """All terms of a field. Raises IndexCorruptError if there are not ``expected`` distinct ones."""
    terms = [term for path, packed in files for term in unpack_terms(packed, path)]
    if len(terms) != expected or len(set(terms)) != expected:
        raise IndexCorruptError(
            f"{files[0][0] if files else 'manifest.json'}: {len(terms)} terms, {len(set(terms))} of them"
            " distinct,"
            f" but the manifest says {expected}. Restore the index from a snapshot, or build it again."
        )
    return terms
