"""The table that weighs a field's queries, on disk: its name, packed like a term, then its bytes, in one array.

The first commit writes it and all later ones name it, so that a search needs no such file outside the index.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import Array, open_array
from lsr.indexer.fields import QueryTable
from lsr.indexer.manifest import FieldEntry, FileEntry
from lsr.indexer.terms import pack_terms

from lsr.errors import IndexCorruptError

_LENGTH_BYTES = 4
_REBUILD = "Restore the index from a snapshot, or build it again."


def pack_table(table: QueryTable) -> npt.NDArray[np.uint8]:
    return np.concatenate([pack_terms([table.name]), np.frombuffer(table.content, np.uint8)])


class StoredTable:
    """A field's table, opened but not read."""

    def __init__(self, index: Path, file: FileEntry) -> None:
        self._path = index / file.path
        self._file = file
        self._packed: Array = open_array(self._path)

    @classmethod
    def of(cls, index: Path, entry: FieldEntry) -> StoredTable | None:
        return None if entry.query_table is None else cls(index, entry.query_table)

    def read(self) -> QueryTable:
        """Raises IndexCorruptError for any other bytes than were written: queries would be weighed by them."""
        raw = self._packed.tobytes()
        start = _LENGTH_BYTES + int.from_bytes(raw[:_LENGTH_BYTES], "little")
        if zlib.crc32(raw) != self._file.checksum or start > len(raw):
            raise IndexCorruptError(f"{self._path}: the table of query weights is damaged. {_REBUILD}")
        return QueryTable(raw[_LENGTH_BYTES:start].decode("utf-8", "replace"), raw[start:], str(self._path))
