"""What a commit adds to a segment it keeps: which documents are alive, and what the dead take from the counts.

Files of commits/<generation>/, each cumulative for its segment:

    <segment>.live.arr              uint64 words, bit i of word w for position 64 w + i, 1 = alive
    <segment>.<field>.df-terms.arr  counted fields: the terms of dead documents, and
    <segment>.<field>.df-counts.arr how many of them each is in
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import SUFFIX, open_array, write_array
from lsr.indexer.checksums import file_entry
from lsr.indexer.manifest import Deletions, FieldCounts, FieldEntry, FileEntry, SegmentEntry
from lsr.indexer.rows import BoolArray, Int64Array, require_terms
from lsr.indexer.segments import Segment
from lsr.indexer.storage import Storage

from lsr.errors import IndexCorruptError

Words = npt.NDArray[np.uint64]


def commit_folder(index: Path, generation: int) -> Path:
    return index / "commits" / str(generation)


def to_words(mask: BoolArray) -> Words:
    """A mask as little-endian words of 64 bits; the bits past its end are 0."""
    padded = np.zeros(-(-len(mask) // 64) * 8, np.uint8)
    bits = np.packbits(mask, bitorder="little")
    padded[: len(bits)] = bits
    return padded.view("<u8")


def live_mask(words: Words | None, n_documents: int) -> BoolArray:
    """The words as a mask; None means that all are alive."""
    if words is None:
        return np.ones(n_documents, np.bool_)
    return np.unpackbits(words.view(np.uint8), count=n_documents, bitorder="little").astype(np.bool_)


def write_deletions(
    storage: Storage,
    index: Path,
    generation: int,
    *,
    segment: Segment,
    live: BoolArray,
    fields: Sequence[FieldEntry],
) -> Deletions:
    """Write a segment's tombstones for a new generation. The folder must exist; the caller syncs it."""
    folder, prefix = commit_folder(index, generation), segment.entry.id
    files = [_write(storage, index, folder / f"{prefix}.live{SUFFIX}", to_words(live))]
    counts = {}
    for field in fields:
        dead = segment.forward(field.name).where(~live)
        counts[field.name] = FieldCounts(nnz=dead.nnz, length=int(dead.lengths.sum(dtype=np.int64)))
        if field.kind == "counted":
            require_terms(dead, field.name, field.n_terms)
            terms, frequencies = np.unique(dead.terms, return_counts=True)
            name = f"{prefix}.{field.name}"
            for part, values in (("df-terms", terms), ("df-counts", frequencies)):
                files.append(
                    _write(storage, index, folder / f"{name}.{part}{SUFFIX}", values.astype(np.uint32))
                )
    return Deletions(int((~live).sum()), tuple(files), counts)


def read_live_words(index: Path, entry: SegmentEntry) -> Words | None:
    """The segment's bitmap in this generation; None if nothing of it is dead."""
    if entry.deletions is None:
        return None
    path = _named(index, entry, f"{entry.id}.live{SUFFIX}")
    words = open_array(path)
    _require(words.dtype == np.uint64 and len(words) == -(-entry.n_documents // 64), path)
    _require(int(np.bitwise_count(words).sum()) == entry.n_live, path)
    return words.astype(np.uint64, copy=False)


def read_dead_frequencies(index: Path, entry: SegmentEntry, field: FieldEntry) -> tuple[Int64Array, Int64Array]:
    """Terms of the segment's dead documents in a counted field, and how many of them each is in."""
    if entry.deletions is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    path = _named(index, entry, f"{entry.id}.{field.name}.df-terms{SUFFIX}")
    terms = open_array(path).astype(np.int64)
    counts = open_array(_named(index, entry, f"{entry.id}.{field.name}.df-counts{SUFFIX}")).astype(np.int64)
    _require(len(terms) == len(counts) and (not len(terms) or int(terms.max()) < field.n_terms), path)
    return terms, counts


def _write(storage: Storage, index: Path, path: Path, values: npt.NDArray[np.generic]) -> FileEntry:
    return file_entry(path, index, write_array(storage, path, values))


def _named(index: Path, entry: SegmentEntry, name: str) -> Path:
    files = entry.deletions.files if entry.deletions else ()
    found = [index / file.path for file in files if file.path.endswith("/" + name)]
    if not found:
        raise IndexCorruptError(
            f"{index / 'manifest.json'}: names no {name}, which segment {entry.id} needs."
            " Restore the index from a snapshot, or build it again."
        )
    return found[0]


def _require(held: bool, path: Path) -> None:
    if not held:
        raise IndexCorruptError(
            f"{path}: does not fit its segment. Restore the index from a snapshot, or build it again."
        )
