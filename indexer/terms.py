"""A field's terms on disk: u32 length and UTF-8 bytes, one after another, in an array file of bytes.

These are the very bytes that a vocabulary's fingerprint is the SHA-256 of. A counted field's terms lie in
several files, each beginning where the one before ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import Array, open_array
from lsr.indexer.manifest import MANIFEST_NAME, FieldEntry

from lsr.errors import IndexCorruptError

TermFiles = Sequence[tuple[Path, Array]]

_LENGTH_BYTES = 4
_REBUILD = "Restore the index from a snapshot, or build it again."


def pack_terms(terms: Iterable[str]) -> npt.NDArray[np.uint8]:
    pieces = []
    for term in terms:
        encoded = term.encode("utf-8", "surrogatepass")
        pieces += [len(encoded).to_bytes(_LENGTH_BYTES, "little"), encoded]
    return np.frombuffer(b"".join(pieces), dtype=np.uint8)


def open_terms(index: Path, field: FieldEntry) -> TermFiles:
    """A field's files, opened but not read.

    Raises IndexCorruptError if there cannot be as many terms in them as the manifest says: tables of that size
    may be allocated afterwards.
    """
    files = [(index / file.path, open_array(index / file.path)) for file in field.vocabulary_files]
    n_bytes = sum(packed.nbytes for _, packed in files)
    if field.n_terms * _LENGTH_BYTES > n_bytes:
        raise IndexCorruptError(
            f"{index / MANIFEST_NAME}: field {field.name} has {field.n_terms} terms, but the files of its terms"
            f" hold {n_bytes} bytes. {_REBUILD}"
        )
    return files


def unpack_terms(packed: Array, path: Path) -> list[str]:
    """Raises IndexCorruptError if the lengths do not add up."""
    raw = packed.tobytes()
    terms, at = [], 0
    try:
        while at < len(raw):
            start = at + _LENGTH_BYTES
            end = start + int.from_bytes(raw[at:start], "little")
            if end > len(raw):
                raise ValueError(f"a term ends at byte {end} of {len(raw)}")
            terms.append(raw[start:end].decode("utf-8", "surrogatepass"))
            at = end
    except ValueError as error:
        raise IndexCorruptError(f"{path}: the terms cannot be read ({error}). {_REBUILD}") from error
    return terms


def read_terms(files: TermFiles, expected: int) -> list[str]:
    """All terms of a field. Raises IndexCorruptError if there are not ``expected`` distinct ones."""
    terms = [term for path, packed in files for term in unpack_terms(packed, path)]
    if len(terms) != expected or len(set(terms)) != expected:
        raise IndexCorruptError(
            f"{files[0][0] if files else MANIFEST_NAME}: {len(terms)} terms, {len(set(terms))} of them"
            f" distinct, but the manifest says {expected}. {_REBUILD}"
        )
    return terms
