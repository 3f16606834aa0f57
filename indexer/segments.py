"""A segment on disk: written once from rows, then only read.

Files of segments/<id>/ (``<field>.`` stands for each field's name):

    numbers.arr               int64: document numbers, ascending
    id-hashes.arr             uint64, ascending; with id-positions.arr, uint32: where each id lies
    documents.sqlite          ids, titles, texts, metadata
    metadata.*.arr            metadata by value, for filters (see metadata.py)
    <field>.indptr.arr        int64, with <field>.terms.arr: the forward index
    <field>.weights.arr       the forward index's weights; for a counted field BM25 impacts, derived
    <field>.counts.arr        counted: occurrences, and <field>.lengths.arr, a document's terms with repeats
    <field>.df-terms.arr      counted: the terms present, and <field>.df-counts.arr, their document frequencies
    <field>.lists.*.arr       the inverted lists; their layout is the scorer's affair
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer import bm25, precision
from lsr.indexer.arrays import SUFFIX, Array, ArrayWriter, Load, open_array, write_array
from lsr.indexer.checksums import file_entry
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentRow, DocumentTable, Positions
from lsr.indexer.ids import UInt64Array, candidates, hash_ids, sorted_keys
from lsr.indexer.kernels import FieldView, SegmentView, build_lists
from lsr.indexer.manifest import FieldCounts, FieldEntry, FileEntry, SegmentEntry
from lsr.indexer.metadata import MetadataBuilder, MetadataColumns
from lsr.indexer.rows import (
    BoolArray,
    Forward,
    Int64Array,
    RowSource,
    live_chunks,
    live_only,
    require_terms,
    term_dtype,
    write_live_documents,
)
from lsr.indexer.storage import Storage
from lsr.indexer.tables import new_table

from lsr.errors import IndexCorruptError

DOCUMENTS_NAME = "documents.sqlite"

_REBUILD = "Restore the index from a snapshot, or build it again."


def segment_folder(index: Path, segment_id: str) -> Path:
    return index / "segments" / segment_id


def write_segment(
    storage: Storage,
    index: Path,
    segment_id: str,
    sources: Sequence[RowSource],
    fields: Sequence[FieldEntry],
    *,
    threads: int,
) -> SegmentEntry:
    """Write the live rows of the sources, in order, as one segment; there must be at least one.

    Every file and name is durable when this returns, but nothing names the segment yet.
    """
    return _SegmentWriter(storage, index, segment_id, sources, threads).write(fields)


class _SegmentWriter:
    def __init__(
        self, storage: Storage, index: Path, segment_id: str, sources: Sequence[RowSource], threads: int
    ) -> None:
        self._storage = storage
        self._index = index
        self._id = segment_id
        self._folder = segment_folder(index, segment_id)
        self._sources = sources
        self._threads = threads
        self._files: list[FileEntry] = []

    def write(self, fields: Sequence[FieldEntry]) -> SegmentEntry:
        self._storage.make_folder(self._folder)
        numbers = self._write_numbers()
        self._write_ids()
        with self._beside(self._write_documents):
            counts = {field.name: self._write_field(field) for field in fields}
        self._storage.sync_folder(self._folder)
        self._storage.sync_folder(self._folder.parent)
        return SegmentEntry(
            id=self._id,
            n_documents=len(numbers),
            first_number=int(numbers[0]),
            last_number=int(numbers[-1]),
            files=tuple(sorted(self._files, key=lambda file: file.path)),
            fields=counts,
        )

    @contextlib.contextmanager
    def _beside(self, work: Callable[[], None]) -> Iterator[None]:
        """Do the work beside the block, if there is a thread for it; otherwise before."""
        if self._threads == 1:
            work()
            yield
            return
        with ThreadPoolExecutor(1, thread_name_prefix="lsr-documents") as pool:
            done = pool.submit(work)
            yield
            done.result()

    def _write_numbers(self) -> Array:
        numbers = np.concatenate([live_only(source, source.numbers) for source in self._sources])
        self._write_array("numbers", numbers)
        return numbers

    def _write_ids(self) -> None:
        hashes = np.concatenate([live_only(source, source.id_hashes()) for source in self._sources])
        keys, positions = sorted_keys(hashes)
        self._write_array("id-hashes", keys)
        self._write_array("id-positions", positions)

    def _write_documents(self) -> None:
        path = self._folder / DOCUMENTS_NAME
        with new_table(self._storage, path) as table:
            write_live_documents(table, self._sources)
        self._files.append(file_entry(path, self._index))
        metadata = MetadataBuilder()
        for documents in DocumentTable(path, table.n_documents).metadata():
            metadata.add(documents)
        for name, array in metadata.arrays().items():
            self._write_array(name, array)

    def _write_field(self, field: FieldEntry) -> FieldCounts:
        counts = self._write_counted(field) if field.kind == "counted" else self._write_encoded(field)
        self._write_lists(field)
        return counts

    def _write_encoded(self, field: FieldEntry) -> FieldCounts:
        terms, weights = self._term_writer(field), self._writer(f"{field.name}.weights", _weight_dtype(field))
        sizes, clamped = [np.zeros(1, np.int64)], 0
        for rows in live_chunks(self._sources, field.name):
            sizes.append(rows.sizes)
            terms.append(rows.terms)
            stored, chunk_clamped = _stored_weights(rows, field)
            weights.append(stored)
            clamped += chunk_clamped
        self._close(terms, weights)
        indptr = np.cumsum(np.concatenate(sizes))
        self._write_array(f"{field.name}.indptr", indptr)
        return FieldCounts(nnz=int(indptr[-1]), clamped=clamped)

    def _write_counted(self, field: FieldEntry) -> FieldCounts:
        terms, weights = self._term_writer(field), self._writer(f"{field.name}.weights", np.float32)
        counts = self._writer(f"{field.name}.counts", self._count_dtype(field))
        sizes, lengths = [np.zeros(1, np.int64)], [np.zeros(0, np.uint32)]
        frequencies = np.zeros(field.n_terms, np.int64)
        for rows in live_chunks(self._sources, field.name):
            chunk_sizes = rows.sizes
            sizes.append(chunk_sizes)
            lengths.append(rows.lengths.astype(np.uint32))
            terms.append(rows.terms)
            counts.append(rows.values)
            weights.append(impacts_of(rows, chunk_sizes, field))
            require_terms(rows, field.name, field.n_terms)
            frequencies += np.bincount(rows.terms, minlength=field.n_terms)
        self._close(terms, weights, counts)
        indptr, all_lengths = np.cumsum(np.concatenate(sizes)), np.concatenate(lengths)
        self._write_array(f"{field.name}.indptr", indptr)
        self._write_array(f"{field.name}.lengths", all_lengths)
        present = np.flatnonzero(frequencies)
        self._write_array(f"{field.name}.df-terms", present.astype(np.uint32))
        self._write_array(f"{field.name}.df-counts", frequencies[present].astype(np.uint32))
        return FieldCounts(nnz=int(indptr[-1]), length=int(all_lengths.sum(dtype=np.int64)))

    def _write_lists(self, field: FieldEntry) -> None:
        """From the arrays just written, mapped back: a segment need not fit into memory twice."""
        indptr, terms, weights = (
            open_array(self._folder / f"{field.name}.{part}{SUFFIX}") for part in ("indptr", "terms", "weights")
        )
        lists = build_lists(
            indptr,  # type: ignore[arg-type]
            terms,
            weights,
            n_terms=field.n_terms,
            threads=self._threads,
            scale=field.scale or 1.0,
        )
        for name, array in sorted(lists.items()):
            self._write_array(f"{field.name}.lists.{name}", array)

    def _term_writer(self, field: FieldEntry) -> ArrayWriter:
        return self._writer(f"{field.name}.terms", term_dtype(field.n_terms))

    def _count_dtype(self, field: FieldEntry) -> type[np.unsignedinteger]:
        """The narrowest type that holds every count; nearly always one byte."""
        largest = max(
            (int(rows.values.max()) for rows in live_chunks(self._sources, field.name) if rows.nnz), default=0
        )
        return next(kind for kind in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(kind).max)

    def _writer(self, name: str, dtype: npt.DTypeLike) -> ArrayWriter:
        return ArrayWriter(self._storage, self._folder / f"{name}{SUFFIX}", dtype)

    def _close(self, *writers: ArrayWriter) -> None:
        for writer in writers:
            self._add_file(writer.path, writer.close())

    def _write_array(self, name: str, values: Array) -> None:
        path = self._folder / f"{name}{SUFFIX}"
        self._add_file(path, write_array(self._storage, path, values))

    def _add_file(self, path: Path, checksum: int) -> None:
        self._files.append(file_entry(path, self._index, checksum))


def _weight_dtype(field: FieldEntry) -> np.dtype[np.generic]:
    return precision.DTYPES[field.storage]


def _stored_weights(rows: Forward, field: FieldEntry) -> tuple[Array, int]:
    """Weights on their way in are float32; those of a segment being merged are already as stored."""
    if rows.values.dtype == _weight_dtype(field):
        return rows.values, 0
    return precision.encode(rows.values.astype(np.float32), field.storage, field.scale)


def impacts_of(rows: Forward, sizes: Int64Array, field: FieldEntry) -> npt.NDArray[np.float32]:
    """A counted field's weights. sizes: non-zeros of each of the rows"""
    return bm25.impacts(
        rows.values.astype(np.uint32),
        np.repeat(rows.lengths, sizes).astype(np.uint32),
        average_length=field.average_length or 0.0,
        k1=field.k1,
        b=field.b,
    )


@dataclass(frozen=True, slots=True)
class TermFrequencies:
    """Document frequencies of the terms of a counted field, as sorted terms and counts."""

    terms: Array
    counts: Array


class Segment:
    """A segment opened for reading: every file is open once this exists, and stays so. Safe for threads."""

    def __init__(self, index: Path, entry: SegmentEntry, fields: Sequence[FieldEntry], *, load: Load) -> None:
        """Raises IndexCorruptError naming a file that is damaged, FileNotFoundError for a missing one."""
        self.entry = entry
        self.folder = segment_folder(index, entry.id)
        self._fields = {field.name: field for field in fields}
        self._arrays = {
            Path(file.path).name.removesuffix(SUFFIX): open_array(index / file.path, load=load)
            for file in entry.files
            if file.path.endswith(SUFFIX)
        }
        self._documents = DocumentTable(self.folder / DOCUMENTS_NAME, entry.n_documents)
        self._rows_checked: set[str] = set()
        self._check_arrays()
        self.metadata = MetadataColumns(self._arrays, entry.n_documents, self.folder)
        try:
            self.view = SegmentView(entry.n_documents, [self._field_view(field) for field in fields])
        except IndexCorruptError as error:
            raise IndexCorruptError(f"{self.folder}: {error}. {_REBUILD}") from error

    @property
    def n_documents(self) -> int:
        return self.entry.n_documents

    @property
    def numbers(self) -> Int64Array:
        return self._arrays["numbers"]  # type: ignore[return-value]

    @property
    def documents(self) -> DocumentTable:
        return self._documents

    def find_ids(self, ids: Sequence[str], hashes: UInt64Array | None = None) -> list[tuple[int, int]]:
        """Pairs (index into ids, position) of the ids that this segment has, dead or live."""
        wanted = hash_ids(ids) if hashes is None else hashes
        keys, places = self._arrays["id-hashes"], self._arrays["id-positions"]
        pairs = [
            pair
            for pair in candidates(keys, places, wanted)  # type: ignore[arg-type]
            if pair[1] < self.n_documents
        ]
        names = self._documents.ids([position for _, position in pairs])
        return [pair for pair, name in zip(pairs, names, strict=True) if ids[pair[0]] == name]

    def id_hashes(self) -> UInt64Array:
        """By position."""
        hashes = np.zeros(self.n_documents, np.uint64)
        places = self._arrays["id-positions"]
        self._require(not len(places) or int(places.max()) < self.n_documents, "id-positions", "out of range")
        hashes[places.astype(np.int64)] = self._arrays["id-hashes"]
        return hashes

    def position_of(self, number: int) -> int | None:
        numbers = self.numbers
        at = int(np.searchsorted(numbers, number))
        return at if at < len(numbers) and int(numbers[at]) == number else None

    def forward(self, field_name: str) -> Forward:
        """A field's rows as a merge takes them: an encoded field's stored weights, a counted one's counts.

        Raises IndexCorruptError if the rows are not in order, or lie outside their arrays.
        """
        self._check_rows(field_name)
        counted = self._fields[field_name].kind == "counted"
        lengths = self._arrays[f"{field_name}.lengths"] if counted else np.zeros(0, np.uint32)
        values = self._arrays[f"{field_name}.{'counts' if counted else 'weights'}"]
        return Forward(
            self._arrays[f"{field_name}.indptr"], self._arrays[f"{field_name}.terms"], values, lengths
        )

    def weights(self, field_name: str, start: int, stop: int) -> Forward:
        """Rows start to stop with the weights that scores are computed with, float32."""
        stored = Forward(
            self._arrays[f"{field_name}.indptr"],
            self._arrays[f"{field_name}.terms"],
            self._arrays[f"{field_name}.weights"],
            np.zeros(0, np.uint32),
        )
        self._check_bounds(field_name, stored.indptr[start : stop + 1])
        rows = stored.rows(start, stop)
        values = precision.decode(rows.values, self._fields[field_name].scale)
        return Forward(rows.indptr, rows.terms.astype(np.uint32), values, rows.lengths)

    def _check_rows(self, field_name: str) -> None:
        """All of a field's rows, the first time they are asked for."""
        if field_name not in self._rows_checked:
            self._check_bounds(field_name, self._arrays[f"{field_name}.indptr"])
            self._rows_checked.add(field_name)

    def _check_bounds(self, field_name: str, indptr: Array) -> None:
        bounds = indptr.astype(np.int64)
        n = len(self._arrays[f"{field_name}.terms"])
        sound = not len(bounds) or bool(
            bounds[0] >= 0 and bounds[-1] <= n and np.all(bounds[1:] >= bounds[:-1])
        )
        self._require(sound, f"{field_name}.indptr", "out of range")

    def document_frequencies(self, field_name: str) -> TermFrequencies:
        return TermFrequencies(self._arrays[f"{field_name}.df-terms"], self._arrays[f"{field_name}.df-counts"])

    def column(self, name: str) -> Array:
        """An array of this segment by its name without suffix. Raises KeyError."""
        return self._arrays[name]

    def columns(self, prefix: str) -> dict[str, Array]:
        """The arrays whose names begin so, by what follows."""
        return {
            name.removeprefix(prefix): array for name, array in self._arrays.items() if name.startswith(prefix)
        }

    def _field_view(self, field: FieldEntry) -> FieldView:
        return FieldView(
            self._arrays[f"{field.name}.indptr"],  # type: ignore[arg-type]
            self._arrays[f"{field.name}.terms"],
            self._arrays[f"{field.name}.weights"],
            self.columns(f"{field.name}.lists."),
            field.scale or 1.0,
        )

    def _check_arrays(self) -> None:
        """Presence, types and lengths; contents are checked where they are used."""
        n = self.n_documents
        expected = {"numbers": (n, "i"), "id-hashes": (n, "u"), "id-positions": (n, "u")}
        for field in self._fields.values():
            nnz = self.entry.fields[field.name].nnz
            expected |= {
                f"{field.name}.indptr": (n + 1, "i"),
                f"{field.name}.terms": (nnz, "u"),
                f"{field.name}.weights": (nnz, _weight_dtype(field).kind),
            }
            if field.kind == "counted":
                expected |= {f"{field.name}.counts": (nnz, "u"), f"{field.name}.lengths": (n, "u")}
                n_present = len(self._arrays.get(f"{field.name}.df-terms", ()))
                expected |= {f"{field.name}.{name}": (n_present, "u") for name in ("df-terms", "df-counts")}
        for name, (count, kind) in expected.items():
            array = self._arrays.get(name)
            self._require(array is not None, name, "missing from the manifest")
            if array is not None:
                self._require(len(array) == count, name, f"{len(array)} values, not {count}")
                self._require(array.dtype.kind == kind, name, f"unexpected type {array.dtype}")

    def _require(self, held: bool, name: str, problem: str) -> None:
        if not held:
            raise IndexCorruptError(f"{self.folder / (name + SUFFIX)}: {problem}. {_REBUILD}")


class LiveSegment:
    """A segment together with what of it is alive, as a source of rows for a merge."""

    def __init__(self, segment: Segment, live: BoolArray | None) -> None:
        self.segment = segment
        self._live = live

    @property
    def numbers(self) -> Int64Array:
        return self.segment.numbers

    @property
    def live(self) -> BoolArray | None:
        return self._live

    def nnz(self, field_name: str) -> int:
        return self.forward(field_name).nnz

    def forward(self, field_name: str) -> Forward:
        return self.segment.forward(field_name)

    def id_hashes(self) -> UInt64Array:
        return self.segment.id_hashes()

    @property
    def table(self) -> None:
        """None to open by name: a commit beside a merge may have unlinked it, which the open one outlives."""
        return None

    def documents(self) -> Iterator[DocumentColumns]:
        return map(DocumentColumns.of_rows, self.segment.documents.batches())

    def fetch(self, positions: Positions) -> list[DocumentRow]:
        return self.segment.documents.fetch(positions)
