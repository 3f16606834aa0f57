"""manifest.json: the one file that says what an index consists of.

Whatever it does not name does not exist. It is replaced as a whole (``storage.replace_file``), carries a
checksum of itself, and is read as untrusted input: every value is checked for type and range before anything
uses it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from lsr.indexer.fields import FIELD_NAME, KINDS, WEIGHT_STORAGES, Kind, WeightStorage
from lsr.indexer.storage import Storage, explained, replace_file

from lsr.errors import IndexCorruptError, IndexNotFoundError, IndexTooNewError, IndexTooOldError

FORMAT = 1
OLDEST_FORMAT = 1
MANIFEST_NAME = "manifest.json"
REORDERED = "reordered"  # a setting: true where the index was built with like documents next to each other

MAX_MANIFEST_BYTES = 256 << 20

SEGMENT_ID = re.compile(r"[0-9]{8,}")  # a part of file names


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the index: its path below the index's folder, its size, and the CRC-32 of its content.

    For array files the checksum covers the data alone (as in their header), for others the whole file.
    """

    path: str
    bytes: int
    checksum: int


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """A field, as every segment of this generation has it.

    vocabulary_files: the terms, in pieces that follow one another
    scale:            uint8 storage: a stored code times this is the weight
    average_length:   counted: what the stored weights were computed with
    query_table:      what queries are weighed by, if that is a table (indexer/query_tables.py)
    """

    name: str
    kind: Kind
    weight: float
    storage: WeightStorage
    encoder: Mapping[str, object]
    n_terms: int
    vocabulary_fingerprint: str
    vocabulary_files: tuple[FileEntry, ...]
    k1: float
    b: float
    scale: float | None = None
    average_length: float | None = None
    query_table: FileEntry | None = None


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """Sums over documents: non-zeros, term occurrences (counted fields) and weights that had to be clamped."""

    nnz: int = 0
    length: int = 0
    clamped: int = 0

    def __sub__(self, other: FieldCounts) -> FieldCounts:
        return FieldCounts(self.nnz - other.nnz, self.length - other.length, self.clamped - other.clamped)

    def __add__(self, other: FieldCounts) -> FieldCounts:
        return FieldCounts(self.nnz + other.nnz, self.length + other.length, self.clamped + other.clamped)


@dataclass(frozen=True, slots=True)
class Deletions:
    """What is dead in a segment: the files of one commit, and what they take away."""

    n_documents: int
    files: tuple[FileEntry, ...]
    fields: Mapping[str, FieldCounts]


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment: its files, what is in it, and what of it has been deleted since."""

    id: str
    n_documents: int
    first_number: int
    last_number: int
    files: tuple[FileEntry, ...]
    fields: Mapping[str, FieldCounts]
    deletions: Deletions | None = None

    @property
    def n_live(self) -> int:
        return self.n_documents - (self.deletions.n_documents if self.deletions else 0)

    def live_counts(self, field_name: str) -> FieldCounts:
        counts = self.fields[field_name]
        return counts - self.deletions.fields[field_name] if self.deletions else counts


@dataclass(frozen=True, slots=True)
class Manifest:
    """One committed state. ``settings`` is for what is stored with an index but does not change its answers'
    meaning.
    """

    generation: int
    created: str
    package: str
    next_number: int
    next_segment: int
    fields: tuple[FieldEntry, ...]
    segments: tuple[SegmentEntry, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def n_documents(self) -> int:
        return sum(segment.n_live for segment in self.segments)

    @property
    def reordered(self) -> bool:
        """Its first documents lie in an order of the build's making, not in the input's."""
        return self.settings.get(REORDERED) is True

    @property
    def counts(self) -> Mapping[str, int]:
        """What writers counted of all documents ever added; empty if they counted nothing."""
        held = self.settings.get("counts")
        return {str(name): int(count) for name, count in held.items()} if isinstance(held, dict) else {}

    def field(self, name: str) -> FieldEntry:
        return next(entry for entry in self.fields if entry.name == name)

    def live_counts(self, field_name: str) -> FieldCounts:
        return sum((segment.live_counts(field_name) for segment in self.segments), FieldCounts())

    def files(self) -> Iterator[FileEntry]:
        """Every file that belongs to this generation, but for the manifest itself."""
        for entry in self.fields:
            yield from entry.vocabulary_files
            if entry.query_table:
                yield entry.query_table
        for segment in self.segments:
            yield from segment.files
            if segment.deletions:
                yield from segment.deletions.files

    def to_bytes(self) -> bytes:
        body = asdict(self)
        body = {"format": body.pop("format"), "checksum": "", **body}
        body["checksum"] = manifest_checksum(body)
        return (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """Raises IndexNotFoundError, or one of the IndexFormatErrors, naming the file and what to do."""
    return parse_manifest(_read(folder), folder / MANIFEST_NAME)


def _read(folder: Path) -> bytes:
    path = folder / MANIFEST_NAME
    try:
        with explained(path), path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_an_index(folder) from error


def write_manifest(storage: Storage, folder: Path, manifest: Manifest) -> None:
    """The commit point: before it the old generation is the index, after it the new one."""
    replace_file(storage, folder / MANIFEST_NAME, manifest.to_bytes())


def parse_manifest(raw: bytes, path: Path) -> Manifest:
    """From the file's bytes; ``path`` is for messages."""
    body = _parse_body(raw, path)
    require_readable(body["format"], path)
    check_manifest(body, path)
    return _Decoder(path).manifest(body)


def read_format(folder: Path) -> int:
    """The format version of an index, readable or not. Raises IndexNotFoundError, IndexCorruptError."""
    path = folder / MANIFEST_NAME
    version: int = _parse_body(_read(folder), path)["format"]
    return version


def check_manifest(body: Mapping[str, object], path: Path) -> None:
    """Raise IndexCorruptError unless a manifest's content, of any version, has the checksum it names."""
    if body.get("checksum") != manifest_checksum(body):
        raise IndexCorruptError(f"{path}: its checksum does not match its content. {_REBUILD}")


def _parse_body(raw: bytes, path: Path) -> dict[str, Any]:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise IndexCorruptError(f"{path}: larger than {MAX_MANIFEST_BYTES:,} bytes. {_REBUILD}")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise IndexCorruptError(f"{path}: not valid JSON ({error}). {_REBUILD}") from error
    if not isinstance(body, dict) or type(body.get("format")) is not int:
        raise IndexCorruptError(f"{path}: has no format version, so it is not an index's manifest. {_REBUILD}")
    return body


_REBUILD = "Restore the index from a snapshot, or build it again with `lsr index --overwrite`."


READS = str(FORMAT) if OLDEST_FORMAT == FORMAT else f"{OLDEST_FORMAT} to {FORMAT}"


def require_readable(version: int, path: Path) -> None:
    """Raise IndexTooNewError or IndexTooOldError unless this release reads the version."""
    if version > FORMAT:
        raise IndexTooNewError(
            f"{path}: index format {version}, but this release reads {READS}."
            " Upgrade the package, or build the index again."
        )
    if version < OLDEST_FORMAT:
        raise IndexTooOldError(
            f"{path}: index format {version}, but this release reads {READS}."
            f" Rewrite it with `lsr upgrade {path.parent}`."
        )


def _not_an_index(folder: Path) -> IndexNotFoundError:
    if (folder / "building").is_dir():
        return IndexNotFoundError(
            f"{folder}: an unfinished index, nothing of it is searchable yet."
            " Finish it with the same `lsr index` command and `--resume`."
        )
    if folder.is_dir() and any(folder.iterdir()):
        return IndexNotFoundError(
            f"{folder}: no {MANIFEST_NAME} in this folder, so it is not an index."
            " Check the path, or create one with `lsr index`."
        )
    return IndexNotFoundError(f"{folder}: no index here. Check the path, or create one with `lsr index`.")


def manifest_checksum(body: Mapping[str, object]) -> str:
    """SHA-256 over the canonical JSON of everything but the checksum."""
    rest = {key: value for key, value in body.items() if key != "checksum"}
    canonical = json.dumps(rest, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class _Decoder:
    """Turns JSON into the dataclasses above; a wrong type, name or range is an IndexCorruptError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self, body: Mapping[str, object]) -> Manifest:
        known = {entry.name for entry in fields(Manifest)} | {"checksum"}
        self._require(set(body) <= known, f"unknown keys {sorted(set(body) - known)}")
        result = Manifest(
            generation=self._integer(body, "generation"),
            created=self._text(body, "created"),
            package=self._text(body, "package"),
            next_number=self._integer(body, "next_number"),
            next_segment=self._integer(body, "next_segment"),
            fields=tuple(self._field(item) for item in self._list(body, "fields")),
            settings=self._mapping(body, "settings"),
            format=self._integer(body, "format"),
        )
        names = [entry.name for entry in result.fields]
        self._require(len(set(names)) == len(names) and names, "fields must be named, and distinctly")
        segments = tuple(self._segment(item, names) for item in self._list(body, "segments"))
        numbers = [number for segment in segments for number in (segment.first_number, segment.last_number)]
        self._require(numbers == sorted(numbers), "segments are not in the order of their numbers")
        self._require(not numbers or numbers[-1] < result.next_number, "next_number is already taken")
        return replace(result, segments=segments)

    def _field(self, item: object) -> FieldEntry:
        body = self._as_mapping(item)
        kind, storage, name = (self._text(body, key) for key in ("kind", "storage", "name"))
        table = body.get("query_table")
        self._require(bool(FIELD_NAME.fullmatch(name)), f"field name {name!r}")
        self._require(kind in KINDS and storage in WEIGHT_STORAGES, f"field {name}: kind or storage is unknown")
        entry = FieldEntry(
            name=name,
            kind=cast(Kind, kind),
            weight=self._number(body, "weight"),
            storage=cast(WeightStorage, storage),
            encoder=self._mapping(body, "encoder"),
            n_terms=self._integer(body, "n_terms"),
            vocabulary_fingerprint=self._text(body, "vocabulary_fingerprint"),
            vocabulary_files=self._files(body, "vocabulary_files"),
            k1=self._number(body, "k1"),
            b=self._number(body, "b"),
            scale=self._optional_number(body, "scale"),
            average_length=self._optional_number(body, "average_length"),
            query_table=None if table is None else self._file(self._as_mapping(table)),
        )
        self._require(kind == "encoded" or entry.average_length is not None, f"field {name}: no average_length")
        self._require(storage != "uint8" or entry.scale is not None, f"field {name}: no scale")
        return entry

    def _segment(self, item: object, names: list[str]) -> SegmentEntry:
        body = self._as_mapping(item)
        deletions = body.get("deletions")
        entry = SegmentEntry(
            id=self._text(body, "id"),
            n_documents=self._integer(body, "n_documents"),
            first_number=self._integer(body, "first_number"),
            last_number=self._integer(body, "last_number"),
            files=self._files(body, "files"),
            fields=self._counts(body, names),
            deletions=None if deletions is None else self._deletions(deletions, names),
        )
        self._require(bool(SEGMENT_ID.fullmatch(entry.id)), f"segment id {entry.id!r}")
        self._require(
            entry.n_live >= 0 and 0 < entry.n_documents < 2**32, f"segment {entry.id}: document count"
        )
        return entry

    def _deletions(self, item: object, names: list[str]) -> Deletions:
        body = self._as_mapping(item)
        return Deletions(
            self._integer(body, "n_documents"), self._files(body, "files"), self._counts(body, names)
        )

    def _counts(self, body: Mapping[str, object], names: list[str]) -> dict[str, FieldCounts]:
        items = self._mapping(body, "fields")
        self._require(sorted(items) == sorted(names), "a segment's fields are not those of the index")
        counts = {name: self._as_mapping(items[name]) for name in names}
        return {
            name: FieldCounts(*(self._integer(item, key) for key in ("nnz", "length", "clamped")))
            for name, item in counts.items()
        }

    def _files(self, body: Mapping[str, object], key: str) -> tuple[FileEntry, ...]:
        return tuple(self._file(self._as_mapping(item)) for item in self._list(body, key))

    def _file(self, body: Mapping[str, object]) -> FileEntry:
        entry = FileEntry(
            self._text(body, "path"), self._integer(body, "bytes"), self._integer(body, "checksum")
        )
        parts = PurePosixPath(entry.path).parts
        below = parts[:1] in (("segments",), ("commits",)) and len(parts) == 3 and ".." not in parts
        self._require(below and "\0" not in entry.path, f"file path {entry.path!r} lies outside the index")
        return entry

    def _list(self, body: Mapping[str, object], key: str) -> list[object]:
        value = body.get(key)
        self._require(isinstance(value, list), f"{key} must be a list")
        return cast("list[object]", value)

    def _mapping(self, body: Mapping[str, object], key: str) -> Mapping[str, Any]:
        return self._as_mapping(body.get(key), key)

    def _as_mapping(self, value: object, key: str = "an entry") -> Mapping[str, Any]:
        self._require(isinstance(value, dict), f"{key} must be an object")
        return cast("Mapping[str, Any]", value)

    def _text(self, body: Mapping[str, object], key: str) -> str:
        value = body.get(key)
        self._require(isinstance(value, str), f"{key} must be text")
        return cast(str, value)

    def _integer(self, body: Mapping[str, object], key: str) -> int:
        value = body.get(key)
        self._require(type(value) is int and 0 <= value < 2**63, f"{key} must be an integer of 0 or more")
        return cast(int, value)

    def _number(self, body: Mapping[str, object], key: str) -> float:
        value = body.get(key)
        self._require(
            type(value) in (int, float) and 0 <= cast(float, value) < float("inf"), f"{key} must be 0 or more"
        )
        return float(cast(float, value))

    def _optional_number(self, body: Mapping[str, object], key: str) -> float | None:
        return None if body.get(key) is None else self._number(body, key)

    def _require(self, held: object, problem: str) -> None:
        if not held:
            raise IndexCorruptError(f"{self._path}: {problem}. {_REBUILD}")
