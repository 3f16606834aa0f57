"""Merging neighbouring segments: fewer of them to search, and the space of deleted documents back.

A merge runs in three steps, so that it can run beside other work of the same writer:

    merge = writer.begin_merge()        # what to merge, as it is now; None if nothing is worth it
    merge.run()                         # the long part, in any thread; readers and the writer go on
    generation = writer.finish_merge(merge)

``finish`` applies the deletions that arrived in between, then commits. ``writer.merge()`` is all three. A merge
of the whole index (``full``) also takes the average document length anew and derives every BM25 weight from it,
as a fresh build would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from lsr.indexer.arrays import SUFFIX, write_array
from lsr.indexer.checksums import check_file, file_entry
from lsr.indexer.committing import (
    KeptSegment,
    SegmentMaking,
    average_length,
    begin_generation,
    end_generation,
    grouped,
    next_manifest,
)
from lsr.indexer.manifest import FieldEntry, Manifest, SegmentEntry
from lsr.indexer.rows import BoolArray, Int64Array, RowSource
from lsr.indexer.segments import LiveSegment, Segment, write_segment
from lsr.indexer.storage import Storage
from lsr.indexer.terms import open_terms, pack_terms, read_terms
from lsr.indexer.tombstones import live_mask, read_live_words, write_deletions

from lsr.errors import IndexCorruptError

# A segment joins the run of newer ones while it is at most this many times their size together: each document
# is then rewritten a number of times that grows with the logarithm of the collection.
GROWTH = 3

# A segment with a larger share of dead documents is rewritten for the space alone.
DEAD_SHARE = 0.5


@dataclass(slots=True)
class Merge:
    """A merge on its way. Made by ``CollectionWriter.begin_merge``.

    sources: neighbouring segments, with what was alive of them at the beginning
    fields:  the index's fields as the merged segments have them
    written: the new segments, once ``run`` is done
    """

    storage: Storage
    index: Path
    sources: Sequence[LiveSegment]
    fields: Sequence[FieldEntry]
    full: bool
    making: SegmentMaking
    written: list[SegmentEntry] = field(default_factory=list)
    done: bool = False

    @property
    def source_ids(self) -> list[str]:
        return [source.segment.entry.id for source in self.sources]

    def run(self) -> None:
        """Write the merged segments. They are durable on return, but nothing names them.

        Raises IndexCorruptError for a damaged source: its damage would go over into files whose checksums fit.
        """
        for source in self.sources:
            _require_sound(self.index, source.segment)
        if self.full:
            self.fields = [_with_length_anew(entry, self.sources) for entry in self.fields]
        self.written = self.rewritten(self.sources)
        self.done = True

    def rewritten(self, sources: Sequence[LiveSegment]) -> list[SegmentEntry]:
        return [
            write_segment(
                self.storage, self.index, self.making.new_id(), group, self.fields, threads=self.making.threads
            )
            for group in grouped(sources, self.fields, self.making.segment_nnz)
        ]


def chosen(manifest: Manifest, *, full: bool) -> list[SegmentEntry]:
    """The neighbouring segments that a merge should join; none if the index is well as it is."""
    segments = list(manifest.segments)
    if full:
        return segments if segments and (len(segments) > 1 or _improvable(manifest)) else []
    run: list[SegmentEntry] = []
    size = 0
    for entry in reversed(segments):
        if run and entry.n_live > GROWTH * size:
            break
        run.insert(0, entry)
        size += entry.n_live
    if len(run) > 1:
        return run
    return [entry for entry in segments if entry.n_live < (1 - DEAD_SHARE) * entry.n_documents][:1]


class MergeCommit:
    """The last step of a merge: the generation in which the merged segments take their sources' place."""

    def __init__(self, merge: Merge, base: Manifest, kept: Sequence[KeptSegment]) -> None:
        """base, kept: the index as it is now, with changes of the writer that are not committed yet."""
        self._merge = merge
        self._storage = merge.storage
        self._index = merge.index
        self._base = base
        self._kept = {item.entry.id: item for item in kept}
        self._replaced = list(merge.sources)

    def write(self) -> tuple[Manifest, list[KeptSegment]]:
        """Write the generation's files but its manifest. Returns it, and the segments as the writer goes on."""
        merge = self._merge
        generation, folder = begin_generation(self._storage, self._index, self._base)
        fields = [self._field(entry, folder) for entry in self._base.fields]
        written = merge.written + (self._late_segments(fields) if merge.full else [])
        replaced = {source.segment.entry.id for source in self._replaced}
        kept = [item for name, item in self._kept.items() if name not in replaced]
        for entry in written:
            kept += self._merged(Segment(self._index, entry, fields, load="map"), generation, fields)
        kept.sort(key=lambda item: item.entry.first_number)
        manifest = next_manifest(self._base, generation, fields, [item.entry for item in kept])
        end_generation(self._storage, self._index, folder)
        return manifest, kept

    def _field(self, entry: FieldEntry, folder: Path) -> FieldEntry:
        """As it is now; after a full merge with the new average length, and its terms in one file."""
        if not self._merge.full:
            return entry
        merged = next(field for field in self._merge.fields if field.name == entry.name)
        entry = replace(entry, average_length=merged.average_length)
        if len(entry.vocabulary_files) < 2:
            return entry
        terms = read_terms(open_terms(self._index, entry), entry.n_terms)
        target = folder / f"{entry.name}.vocabulary{SUFFIX}"
        checksum = write_array(self._storage, target, pack_terms(terms))
        return replace(entry, vocabulary_files=(file_entry(target, self._index, checksum),))

    def _late_segments(self, fields: Sequence[FieldEntry]) -> list[SegmentEntry]:
        """Segments committed while a full merge ran: their BM25 weights must follow the new average length."""
        known = set(self._merge.source_ids)
        late = [
            LiveSegment(item.segment, _committed_live(self._index, item))
            for name, item in self._kept.items()
            if name not in known
        ]
        self._replaced += late
        self._merge.fields = fields
        return self._merge.rewritten(late)

    def _merged(self, segment: Segment, generation: int, fields: Sequence[FieldEntry]) -> list[KeptSegment]:
        """A merged segment with the deletions since, committed or not; none if nothing is left of it."""
        committed, current = (np.ones(segment.n_documents, np.bool_) for _ in range(2))
        for source in self._replaced:
            item = self._kept.get(source.segment.entry.id)
            nothing = np.zeros(source.segment.n_documents, np.bool_)  # a commit dropped it: all of it is dead
            committed[
                _dead_since(source, nothing if item is None else _committed_live(self._index, item), segment)
            ] = False
            current[_dead_since(source, nothing if item is None else item.live, segment)] = False
        if not committed.any():
            return []
        entry = segment.entry
        if not committed.all():
            entry = replace(
                entry,
                deletions=write_deletions(
                    self._storage, self._index, generation, segment=segment, live=committed, fields=fields
                ),
            )
        return [KeptSegment(entry, segment, current, changed=not np.array_equal(committed, current))]


def _dead_since(source: LiveSegment, live: BoolArray, merged: Segment) -> Int64Array:
    """Positions in a merged segment of a source's documents that died after the merge began.

    live: what of the source is alive now
    """
    before = np.ones(len(live), np.bool_) if source.live is None else source.live
    numbers = source.numbers[before & ~live]
    positions = np.searchsorted(merged.numbers, numbers)
    inside = positions < merged.n_documents
    numbers, positions = numbers[inside], positions[inside]
    found: Int64Array = positions[merged.numbers[positions] == numbers]
    return found


def _require_sound(index: Path, segment: Segment) -> None:
    try:
        for file in segment.entry.files:
            check_file(index, file)
    except IndexCorruptError as error:
        if segment.folder.is_dir():  # otherwise a commit has dropped it since, with all that is in it
            raise IndexCorruptError(
                f"{error}. Nothing was merged. Restore the index from a snapshot, or build it again."
            ) from error


def source_of(index: Path, item: KeptSegment) -> LiveSegment:
    """A kept segment as it was committed: a change that waits for its commit may still be taken back."""
    return LiveSegment(item.segment, _committed_live(index, item))


def _committed_live(index: Path, item: KeptSegment) -> BoolArray:
    return live_mask(read_live_words(index, item.entry), item.entry.n_documents)


def _improvable(manifest: Manifest) -> bool:
    """Whether rewriting a single segment would change it."""
    [segment] = manifest.segments
    if segment.deletions is not None:
        return True
    live = {entry.name: segment.live_counts(entry.name).length / segment.n_live for entry in manifest.fields}
    return any(
        entry.average_length is not None and entry.average_length != live[entry.name]
        for entry in manifest.fields
    )


def _with_length_anew(entry: FieldEntry, sources: Sequence[RowSource]) -> FieldEntry:
    if entry.kind != "counted":
        return entry
    return replace(entry, average_length=average_length(sources, entry.name))
