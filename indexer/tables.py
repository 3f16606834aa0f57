"""Writing the table of a segment's or a shard's documents (documents.py reads it).

SQLite writes a scratch file of its own; the storage adopts it under its final name.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import CAUTIONS, COLUMNS, address_of
from lsr.indexer.storage import Storage

from lsr.errors import IndexCorruptError, ResourceError

_SCHEMA = (
    "CREATE TABLE documents (position INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL,"
    " text TEXT NOT NULL, metadata TEXT NOT NULL)"
)
_UNSAFE = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE")  # nobody sees a scratch file
_INSERT = "INSERT INTO main.documents VALUES (?, ?, ?, ?, ?)"
_ALL_TEXT = " AND ".join(f"typeof({column}) = 'text'" for column in COLUMNS.split(", "))
_COPY = (
    f"INSERT INTO main.documents SELECT position + ?, {COLUMNS} FROM source.documents"  # noqa: S608
    f" WHERE position BETWEEN 0 AND ? AND {_ALL_TEXT} ORDER BY position"
)


@contextlib.contextmanager
def new_table(storage: Storage, path: Path) -> Iterator[TableWriter]:
    """A table of documents at ``path``, to be filled; it is there and synced when the block ends."""
    scratch = path.with_name(path.name + ".scratch")
    storage.remove(scratch)
    try:
        connection = sqlite3.connect(scratch.absolute(), isolation_level=None, uri=True)
        try:
            for pragma in (*_UNSAFE, *CAUTIONS):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(_SCHEMA)
            yield TableWriter(connection)
            connection.commit()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise ResourceError(
            f"{path}: the documents cannot be written ({error}). The index keeps its last committed state;"
            " check the disk's free space and the folder's permissions, then run it again."
        ) from error
    storage.adopt(scratch, path)


class TableWriter:
    """Appends documents, at positions 0, 1, …; ``n_documents`` of them so far."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """For ``new_table``."""
        self._connection = connection
        self.n_documents = 0

    def append(self, documents: DocumentColumns) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        self._connection.executemany(_INSERT, zip(count(self.n_documents), *documents.parts, strict=False))
        self.n_documents += len(documents)

    def append_table(self, path: Path, n_documents: int) -> None:
        """The documents of a finished table. SQLite copies them: no row becomes objects of Python's, and other
        threads run meanwhile.

        Raises IndexCorruptError unless there is a document at each position from 0 to n_documents - 1.
        """
        self._connection.commit()  # within a transaction no table can be let go of
        try:
            self._connection.execute("ATTACH ? AS source", (address_of(path),))
            copied = self._connection.execute(_COPY, (self.n_documents, n_documents - 1)).rowcount
            self._connection.execute("DETACH source")
        except sqlite3.DatabaseError as error:
            if _of_writing(error):
                raise
            raise _corrupt(path, error) from error
        if copied != n_documents:
            raise _corrupt(path, f"{copied} documents are sound, but there must be {n_documents}")
        self.n_documents += n_documents


def _of_writing(error: sqlite3.DatabaseError) -> bool:
    """The disk is at fault, not what was read."""
    writing = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
    return error.sqlite_errorcode & 0xFF in writing  # the lowest byte: above it are details


def _corrupt(path: Path, reason: object) -> IndexCorruptError:
    return IndexCorruptError(
        f"{path}: the documents cannot be read ({reason}). Discard the build or the staged changes."
    )
