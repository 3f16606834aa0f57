"""``building/``: an unfinished build, as shards of documents and a ledger of what they cover.

A shard is a folder of raw rows (weights and counts as they were added) that becomes part of a segment at
commit. The ledger names the shards, the input and the fields; it is replaced as a whole after each shard is
durable, so a build interrupted at any moment continues behind the last shard. Nothing here can be searched.

Files of building/<shard>/: documents.sqlite; id-hashes.arr (by position); for each field indptr, terms and
values (float32 weights, or uint32 counts with lengths); a counted field's new terms in <field>.vocabulary.arr.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import SUFFIX, Array, ArrayWriter, open_array, write_array
from lsr.indexer.checksums import check_file, file_entry, sealed, unsealed
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentRow, DocumentTable, Positions
from lsr.indexer.ids import UInt64Array, candidates, sorted_keys
from lsr.indexer.manifest import FieldEntry, FileEntry
from lsr.indexer.rows import (
    BoolArray,
    FieldReader,
    Forward,
    Int64Array,
    PendingRows,
    chunks,
    require_rows,
    term_dtype,
)
from lsr.indexer.storage import Storage, replace_file
from lsr.indexer.sweeping import BUILDING_NAME
from lsr.indexer.tables import new_table
from lsr.indexer.terms import pack_terms, unpack_terms

from lsr.errors import IndexCorruptError, UnfinishedBuildError

LEDGER_NAME = "ledger.json"
_LEDGER_FORMAT = 1
_TABLE_NAME = "documents.sqlite"
MOST_LISTED = 3  # files or fields in one message


def building_folder(index: Path) -> Path:
    return index / BUILDING_NAME


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A finished shard: its folder's name, what it covers and its files (paths below ``building/``).

    records_done: input records read when it was written, from the beginning of the input
    n_terms:      counted fields: terms known with this shard's
    counts:       the build's running counts (``CollectionWriter.add``) with this shard's
    """

    id: str
    n_documents: int
    first_number: int
    records_done: int
    n_terms: Mapping[str, int]
    files: tuple[FileEntry, ...]
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)


class Shard:
    """A shard as a source of rows."""

    def __init__(self, folder: Path, entry: ShardEntry) -> None:
        self.entry = entry
        self._folder = folder / entry.id
        self._names = {Path(file.path).name for file in entry.files}
        self._hashes = self._array("id-hashes")
        self._documents = DocumentTable(self.table, entry.n_documents)
        self._keys = sorted_keys(self.id_hashes())
        self._live: BoolArray | None = None

    @property
    def numbers(self) -> Int64Array:
        first = self.entry.first_number
        return np.arange(first, first + self.entry.n_documents, dtype=np.int64)

    @property
    def live(self) -> BoolArray | None:
        return self._live

    def nnz(self, field_name: str) -> int:
        return self.forward(field_name).nnz

    def forward(self, field_name: str) -> Forward:
        """Mapped anew each time and let go of with the result: a build has many shards."""
        parts = ("indptr", "terms", "values", "lengths")
        rows = Forward(*(self._array(f"{field_name}.{part}") for part in parts))
        require_rows(rows, self.entry.n_documents, self._folder / f"{field_name}.indptr{SUFFIX}")
        return rows

    def id_hashes(self) -> UInt64Array:
        return self._hashes  # type: ignore[return-value]

    @property
    def table(self) -> Path:
        return self._folder / _TABLE_NAME

    def documents(self) -> Iterator[DocumentColumns]:
        return map(DocumentColumns.of_rows, self._documents.batches())

    def fetch(self, positions: Positions) -> list[DocumentRow]:
        return self._documents.fetch(positions)

    def terms(self, field_name: str) -> list[str]:
        """The terms of a counted field that this shard added."""
        name = f"{field_name}.vocabulary"
        return unpack_terms(self._array(name), self._folder / (name + SUFFIX))

    def find_ids(self, ids: Sequence[str], hashes: UInt64Array) -> list[tuple[int, int]]:
        """Pairs (index into ids, position) of the ids that this shard has, dead or live."""
        pairs = list(candidates(*self._keys, hashes))
        names = self._documents.ids([position for _, position in pairs])
        return [pair for pair, name in zip(pairs, names, strict=True) if ids[pair[0]] == name]

    def _array(self, name: str) -> Array:
        """Empty if the shard has none of this name."""
        path = self._folder / (name + SUFFIX)
        return open_array(path) if path.name in self._names else np.zeros(0, np.uint32)

    def keep(self, live: BoolArray) -> None:
        """Mark all documents dead where ``live``, shape (n_documents,), is false."""
        self._live = live.copy()

    def kill(self, position: int) -> bool:
        """Mark a document dead; returns whether it was alive."""
        if self._live is None:
            self._live = np.ones(self.entry.n_documents, np.bool_)
        was_alive = bool(self._live[position])
        self._live[position] = False
        return was_alive


@dataclass(frozen=True, slots=True)
class NewTerms:
    """A counted field's vocabulary, and how many of its terms earlier shards or commits hold."""

    terms: Sequence[str]
    n_known: int


def write_shard(
    storage: Storage,
    folder: Path,
    shard_id: str,
    pending: PendingRows,
    *,
    fields: Sequence[FieldEntry],
    vocabularies: Mapping[str, NewTerms],
    records_done: int,
    counts: Mapping[str, int],
) -> Shard:
    """Write pending rows as a shard of ``folder``; it is durable on return."""
    place = folder / shard_id
    storage.remove(place)
    storage.make_folder(place)
    arrays = _ShardArrays(storage, folder, place)
    arrays.write("id-hashes", pending.id_hashes())
    for field in fields:
        arrays.write_field(field, pending.forward(field.name), vocabularies.get(field.name))
    for name, new in vocabularies.items():
        if len(new.terms) > new.n_known:
            arrays.write(f"{name}.vocabulary", pack_terms(new.terms[new.n_known :]))
    with new_table(storage, place / _TABLE_NAME) as table:
        for documents in pending.documents():
            table.append(documents)
    files = (*arrays.files, file_entry(place / _TABLE_NAME, folder))
    storage.sync_folder(place)
    storage.sync_folder(folder)
    n_terms = {name: len(new.terms) for name, new in vocabularies.items()}
    shard = Shard(
        folder,
        ShardEntry(shard_id, len(pending), pending.first_number, records_done, n_terms, files, counts),
    )
    if pending.live is not None:
        for position in np.flatnonzero(~pending.live):
            shard.kill(int(position))
    return shard


class _ShardArrays:
    """Writes arrays of a shard; ``files`` are those so far."""

    def __init__(self, storage: Storage, folder: Path, place: Path) -> None:
        self.files: list[FileEntry] = []
        self._storage = storage
        self._folder = folder
        self._place = place

    def write(self, name: str, values: Array) -> None:
        path = self._place / (name + SUFFIX)
        self.files.append(file_entry(path, self._folder, write_array(self._storage, path, values)))

    def write_field(self, field: FieldEntry, rows: FieldReader, new: NewTerms | None) -> None:
        """In pieces, so that the field is not held twice. new: a counted field's terms"""
        name = field.name
        terms = self._writer(f"{name}.terms", term_dtype(field.n_terms if new is None else len(new.terms)))
        values = self._writer(f"{name}.values", np.float32 if new is None else np.uint32)
        sizes, lengths = [np.zeros(1, np.int64)], [np.zeros(0, np.uint32)]
        for chunk in chunks(rows):
            sizes.append(chunk.sizes)
            lengths.append(chunk.lengths.astype(np.uint32))
            terms.append(chunk.terms)
            values.append(chunk.values)
        for writer in (terms, values):
            self.files.append(file_entry(writer.path, self._folder, writer.close()))
        self.write(f"{name}.indptr", np.cumsum(np.concatenate(sizes)))
        if new is not None:
            self.write(f"{name}.lengths", np.concatenate(lengths))

    def _writer(self, name: str, dtype: npt.DTypeLike) -> ArrayWriter:
        return ArrayWriter(self._storage, self._place / (name + SUFFIX), dtype)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What an unfinished build is of, and how far it has come.

    generation: the generation of the index when the build began
    """

    generation: int
    source: Mapping[str, object]
    fields: Sequence[Mapping[str, object]]
    shards: tuple[ShardEntry, ...] = ()
    format: int = _LEDGER_FORMAT

    @classmethod
    def of(cls, generation: int, source: Mapping[str, object], fields: Sequence[FieldEntry]) -> Ledger:
        return cls(generation, _as_json(source), [_as_json(_identity(field)) for field in fields])

    @property
    def records_done(self) -> int:
        return self.shards[-1].records_done if self.shards else 0

    def write(self, storage: Storage, folder: Path) -> None:
        replace_file(storage, folder / LEDGER_NAME, sealed(asdict(self)))

    def require_same(self, other: Ledger, index: Path) -> None:
        """Raise UnfinishedBuildError unless the other describes the same build."""
        for what, ours, theirs in (
            ("another input", self.source, other.source),
            ("other fields", self.fields, other.fields),
        ):
            if ours != theirs:
                raise UnfinishedBuildError(
                    f"{index}: the unfinished build was begun with {what}"
                    f" ({_difference(ours, theirs)})."
                    " Repeat the command it was begun with, or discard it and start again with `--overwrite`"
                    " and without `--resume`."
                )

    def sound(self, folder: Path) -> Ledger:
        """The ledger up to the first shard that is damaged; what follows has to be done again."""
        for at, shard in enumerate(self.shards):
            try:
                for file in shard.files:
                    check_file(folder, file)
            except IndexCorruptError:
                return replace(self, shards=self.shards[:at])
        return self


def read_ledger(folder: Path) -> Ledger | None:
    """The ledger of an unfinished build; None if there is none. Raises IndexCorruptError."""
    path = folder / LEDGER_NAME
    try:
        body = unsealed(path.read_bytes())
        if body["format"] != _LEDGER_FORMAT:
            raise ValueError(f"its format is {body['format']}, not {_LEDGER_FORMAT}")
        shards = tuple(shard_entry(item) for item in body["shards"])
        return Ledger(int(body["generation"]), dict(body["source"]), list(body["fields"]), shards)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexCorruptError(
            f"{path}: the unfinished build's ledger cannot be read ({error})."
            " Discard the build and start again with `--overwrite` and without `--resume`."
        ) from error


def shard_entry(item: Mapping[str, Any]) -> ShardEntry:
    """From JSON. Raises KeyError, ValueError or TypeError for what is not one."""
    files = tuple(
        FileEntry(str(file["path"]), int(file["bytes"]), int(file["checksum"])) for file in item["files"]
    )
    counts = {name: int(item[name]) for name in ("n_documents", "first_number", "records_done")}
    n_terms = {str(name): int(count) for name, count in item["n_terms"].items()}
    running = {str(name): int(count) for name, count in item.get("counts", {}).items()}
    return ShardEntry(id=str(item["id"]), n_terms=n_terms, files=files, counts=running, **counts)


def _identity(field: FieldEntry) -> dict[str, object]:
    """What must be the same for a build to be continued."""
    facts = asdict(field)
    written = ("vocabulary_files", "average_length", "query_table")
    return {key: value for key, value in facts.items() if key not in written}


def _as_json(facts: Mapping[str, object]) -> dict[str, object]:
    result: dict[str, object] = json.loads(json.dumps(dict(facts)))
    return result


def _difference(ours: object, theirs: object) -> str:
    """The first fact in which two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours | theirs):
            if ours.get(key) != theirs.get(key):
                return f"{key}: {_difference(ours.get(key), theirs.get(key))}"
    if isinstance(ours, list) and isinstance(theirs, list):
        if _named(ours) != _named(theirs):
            return f"{_listed(ours)} then, {_listed(theirs)} now"
        mine, other = next((a, b) for a, b in zip(ours, theirs, strict=True) if a != b)
        name = _named([mine])[0]
        return f"{name} has changed" if isinstance(mine, list) else f"{name}: {_difference(mine, other)}"
    return f"{ours!r} then, {theirs!r} now"


def _named(entries: Sequence[object]) -> list[str]:
    """Fields by their names, files (path, size, time) by their paths."""
    return [str(_name(each)) for each in entries]


def _name(entry: object) -> object:
    if isinstance(entry, dict):
        return entry.get("name", entry)
    return entry[0] if isinstance(entry, list) and entry else entry


def _listed(entries: Sequence[object]) -> str:
    names = _named(entries)
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more
