"""Writing a new generation: all its files but the manifest.

Nothing here is visible to anyone. When ``write_generation`` returns, every file and every name is durable, and
writing the manifest it returns makes them the index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from lsr.indexer import precision
from lsr.indexer.arrays import SUFFIX, write_array
from lsr.indexer.checksums import file_entry
from lsr.indexer.fields import QueryTable
from lsr.indexer.manifest import FieldEntry, Manifest, SegmentEntry
from lsr.indexer.query_tables import pack_table
from lsr.indexer.reordering import reordered
from lsr.indexer.rows import BoolArray, RowSource, live_chunks, n_live
from lsr.indexer.segments import Segment, write_segment
from lsr.indexer.storage import Storage
from lsr.indexer.sweeping import highest_number
from lsr.indexer.terms import pack_terms
from lsr.indexer.tombstones import commit_folder, write_deletions


@dataclass(slots=True)
class KeptSegment:
    """A committed segment while it is being written to; ``live`` is the writer's to change."""

    entry: SegmentEntry
    segment: Segment
    live: BoolArray
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What a generation is to add to the one before it.

    kept:    its segments, with what is alive of them now
    added:   new documents in the order of their numbers
    terms:   all terms of every field, the new ones included
    tables:  what queries are weighed by, of the fields where that is a table; written once
    """

    kept: Sequence[KeptSegment]
    added: Sequence[RowSource]
    terms: Mapping[str, Sequence[str]]
    tables: Mapping[str, QueryTable]
    next_number: int


@dataclass(frozen=True, slots=True)
class SegmentMaking:
    """How segments are made: at most so many non-zeros each, on so many threads, under new ids.

    reorder: new documents are put next to those like them
    """

    segment_nnz: int
    threads: int
    new_id: Callable[[], str]
    reorder: bool = False

    def arranged(self, group: Sequence[RowSource], fields: Sequence[FieldEntry]) -> Sequence[RowSource]:
        """The sources of a segment as it is to hold them."""
        return [reordered(group, fields, threads=self.threads)] if self.reorder else group


def write_generation(
    storage: Storage, index: Path, base: Manifest, changes: Changes, making: SegmentMaking
) -> Manifest:
    """Write the files of the generation after ``base`` and return its manifest."""
    generation, folder = begin_generation(storage, index, base)
    fields = [_next_field(storage, index, folder, entry, changes) for entry in base.fields]
    kept = [_next_entry(storage, index, generation, item, fields) for item in changes.kept if item.live.any()]
    added = [
        write_segment(
            storage, index, making.new_id(), making.arranged(group, fields), fields, threads=making.threads
        )
        for group in grouped(changes.added, fields, making.segment_nnz)
    ]
    manifest = next_manifest(base, generation, fields, [*kept, *added])
    end_generation(storage, index, folder)
    return replace(manifest, next_number=changes.next_number)


def begin_generation(storage: Storage, index: Path, base: Manifest) -> tuple[int, Path]:
    """The next generation's number, and the folder for its files: a new one, so nothing is written twice."""
    generation = max(base.generation, highest_number(index / "commits")) + 1
    folder = commit_folder(index, generation)
    storage.make_folder(folder)
    return generation, folder


def end_generation(storage: Storage, index: Path, folder: Path) -> None:
    """Make the names of a generation's files durable; what is left to do is to write the manifest."""
    for changed in (folder, folder.parent, index):
        storage.sync_folder(changed)


def next_manifest(
    base: Manifest, generation: int, fields: Sequence[FieldEntry], segments: Sequence[SegmentEntry]
) -> Manifest:
    return replace(
        base,
        generation=generation,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        package=metadata.version("lsr"),
        next_segment=max([base.next_segment, *(int(entry.id) + 1 for entry in segments)]),
        fields=tuple(fields),
        segments=tuple(segments),
    )


def _next_field(storage: Storage, index: Path, folder: Path, entry: FieldEntry, changes: Changes) -> FieldEntry:
    """The field with its new terms and, as long as the index is empty, what its first documents decide."""
    entry = _with_new_terms(storage, index, folder, entry, changes.terms[entry.name])
    entry = _with_query_table(storage, index, folder, entry, changes.tables.get(entry.name))
    if changes.kept or not changes.added:
        return entry
    if entry.kind == "counted":
        return replace(entry, average_length=average_length(changes.added, entry.name))
    if entry.storage == "uint8" and not entry.scale:
        return replace(entry, scale=precision.scale_for(_largest_weight(changes.added, entry.name)))
    return entry


def _with_new_terms(
    storage: Storage, index: Path, folder: Path, entry: FieldEntry, terms: Sequence[str]
) -> FieldEntry:
    n_written = entry.n_terms if entry.vocabulary_files else 0
    if len(terms) == n_written:
        return entry
    path = folder / f"{entry.name}.vocabulary{SUFFIX}"
    checksum = write_array(storage, path, pack_terms(terms[n_written:]))
    files = (*entry.vocabulary_files, file_entry(path, index, checksum))
    return replace(entry, n_terms=len(terms), vocabulary_files=files)


def _with_query_table(
    storage: Storage, index: Path, folder: Path, entry: FieldEntry, table: QueryTable | None
) -> FieldEntry:
    if table is None or entry.query_table is not None:
        return entry
    path = folder / f"{entry.name}.query-table{SUFFIX}"
    checksum = write_array(storage, path, pack_table(table))
    return replace(entry, query_table=file_entry(path, index, checksum))


def _next_entry(
    storage: Storage, index: Path, generation: int, item: KeptSegment, fields: Sequence[FieldEntry]
) -> SegmentEntry:
    if not item.changed:
        return item.entry
    deletions = write_deletions(storage, index, generation, segment=item.segment, live=item.live, fields=fields)
    return replace(item.entry, deletions=deletions)


def grouped(
    sources: Sequence[RowSource], fields: Sequence[FieldEntry], segment_nnz: int
) -> list[list[RowSource]]:
    """Neighbouring sources joined as long as a segment of them may be built; a source is never split."""
    groups: list[list[RowSource]] = []
    room = 0
    for source in sources:
        if not n_live(source):
            continue
        nnz = max(source.nnz(field.name) for field in fields)
        if not groups or nnz > room:
            groups.append([])
            room = segment_nnz
        groups[-1].append(source)
        room -= nnz
    return groups


def average_length(sources: Sequence[RowSource], field_name: str) -> float:
    """Terms with repeats of a live document, on average; 0 without documents."""
    total = sum(int(rows.lengths.sum(dtype="int64")) for rows in live_chunks(sources, field_name))
    return total / max(sum(n_live(source) for source in sources), 1)


def _largest_weight(sources: Sequence[RowSource], field_name: str) -> float:
    return max((float(rows.values.max()) for rows in live_chunks(sources, field_name) if rows.nnz), default=1.0)
