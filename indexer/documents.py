"""Ids, titles, texts and metadata of a segment, in one immutable SQLite file.

Written once (tables.py), then opened with ``immutable=1``: no locks, no journal, nothing beside it. Metadata
are JSON objects.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from lsr.errors import IndexCorruptError

T = TypeVar("T")
Positions = Sequence[int] | npt.NDArray[np.integer]

COLUMNS = "id, title, text, metadata"
CAUTIONS = ("trusted_schema = OFF", "cell_size_check = ON")  # a file that is read may be anything
_READ_AT_ONCE = 4096
_FETCH_AT_ONCE = 500  # SQLite allows 999 parameters a statement in its oldest builds


class DocumentLike(Protocol):
    """What a document must have to be stored; ``lsr.data.Document`` and ``DocumentInput`` do."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class DocumentInput:
    """A document to store. ``metadata`` must be expressible in JSON."""

    id: str
    text: str = ""
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as stored. ``number`` is the index's own, never reused."""

    number: int
    id: str
    title: str
    text: str
    metadata: Mapping[str, object]


class DocumentRow(NamedTuple):
    """A document as its table holds it: metadata still as JSON. A tuple, as SQLite takes and gives it."""

    id: str
    title: str
    text: str
    metadata: str

    def stored(self, number: int) -> StoredDocument:
        return StoredDocument(number, self.id, self.title, self.text, json.loads(self.metadata))


def address_of(path: Path) -> str:
    """A finished table's file, for SQLite to open."""
    return f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"


class DocumentTable:
    """Reads one segment's documents. Safe for threads: one connection, one lock."""

    def __init__(self, path: Path, n_documents: int) -> None:
        """Opens the file at once and keeps it, so that it may be unlinked. Raises IndexCorruptError."""
        self._path = path
        self._n_documents = n_documents
        self._lock = threading.Lock()
        if not path.is_file():
            raise FileNotFoundError(path)
        try:
            self._connection = sqlite3.connect(
                address_of(path), uri=True, check_same_thread=False, isolation_level=None
            )
            for pragma in CAUTIONS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("SELECT position FROM documents LIMIT 1").fetchall()
        except sqlite3.DatabaseError as error:
            if not path.exists():  # removed since, as a writer does with what it has replaced
                raise FileNotFoundError(path) from error
            raise self._corrupt(error) from error

    def fetch(self, positions: Positions) -> list[DocumentRow]:
        """The documents at these positions, in this order."""
        found = {position: DocumentRow(*values) for position, values in self._select(COLUMNS, positions)}
        return self._ordered(found, positions)

    def ids(self, positions: Positions) -> list[str]:
        """The ids at these positions, in this order."""
        found = {position: values[0] for position, values in self._select("id", positions)}
        return self._ordered(found, positions)

    def rows(self) -> Iterator[DocumentRow]:
        """All documents in the order of their positions."""
        for rows in self.batches():
            yield from rows

    def batches(self) -> Iterator[list[DocumentRow]]:
        """As ``rows``, some thousand at once."""
        return (list(map(DocumentRow._make, rows)) for rows in self._scanned(COLUMNS))

    def metadata(self) -> Iterator[list[str]]:
        """The metadata alone, as JSON, some thousand at once."""
        return ([metadata for (metadata,) in rows] for rows in self._scanned("metadata"))

    def check(self) -> list[str]:
        """SQLite's own findings about the file's structure; empty if it is sound."""
        with self._lock:
            try:
                found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(20)")]
                count = self._connection.execute("SELECT count(*) FROM documents").fetchone()[0]
            except sqlite3.DatabaseError as error:
                return [str(error)]
        problems = [text for text in found if text != "ok"]
        if count != self._n_documents:
            problems.append(f"{count} documents, but the manifest says {self._n_documents}")
        return problems

    def _scanned(self, columns: str) -> Iterator[list[tuple[str, ...]]]:
        for start in range(0, self._n_documents, _READ_AT_ONCE):
            positions = range(start, min(start + _READ_AT_ONCE, self._n_documents))
            rows = self._checked(self._query(columns, "BETWEEN ? AND ?", (positions[0], positions[-1])))
            yield self._ordered(dict(rows), positions)

    def _select(self, columns: str, positions: Positions) -> list[tuple[int, tuple[str, ...]]]:
        wanted = [int(position) for position in positions]
        rows: list[tuple[int, tuple[str, ...]]] = []
        for start in range(0, len(wanted), _FETCH_AT_ONCE):
            chunk = wanted[start : start + _FETCH_AT_ONCE]
            rows += self._query(columns, f"IN ({','.join('?' * len(chunk))})", chunk)
        return self._checked(rows)

    def _query(
        self, columns: str, condition: str, parameters: Sequence[int]
    ) -> list[tuple[int, tuple[str, ...]]]:
        statement = f"SELECT position, {columns} FROM documents WHERE position {condition}"  # noqa: S608
        try:
            with self._lock:
                return [(row[0], row[1:]) for row in self._connection.execute(statement, parameters)]
        except sqlite3.DatabaseError as error:
            raise self._corrupt(error) from error

    def _checked(self, rows: list[tuple[int, tuple[str, ...]]]) -> list[tuple[int, tuple[str, ...]]]:
        if not all(isinstance(value, str) for _, values in rows for value in values):
            raise self._corrupt("a column holds something other than text")
        return rows

    def _ordered(self, found: Mapping[int, T], positions: Positions) -> list[T]:
        try:
            return [found[int(position)] for position in positions]
        except KeyError as error:
            raise self._corrupt(f"no document at position {error}") from error

    def _corrupt(self, reason: object) -> IndexCorruptError:
        return IndexCorruptError(
            f"{self._path}: the documents cannot be read ({reason})."
            " Restore the index from a snapshot, or build it again."
        )
