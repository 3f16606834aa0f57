"""The checksum that the manifest keeps of each file."""

from __future__ import annotations

import zlib
from pathlib import Path

from lsr.indexer.arrays import SUFFIX, check_array
from lsr.indexer.manifest import FileEntry

from lsr.errors import IndexCorruptError


def checksum_of(path: Path) -> int:
    """CRC-32 of an array file's data, or of any other file as a whole.

    Raises IndexCorruptError if an array file contradicts itself.
    """
    if path.name.endswith(SUFFIX):
        return check_array(path)
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def file_entry(path: Path, index: Path, checksum: int | None = None) -> FileEntry:
    """A written file as the manifest names it; the checksum is computed unless given."""
    known = checksum_of(path) if checksum is None else checksum
    return FileEntry(path.relative_to(index).as_posix(), path.stat().st_size, known)


def check_file(index: Path, entry: FileEntry) -> None:
    """Read a whole file and compare it with its entry. Raises IndexCorruptError, naming the file."""
    path = index / entry.path
    try:
        size = path.stat().st_size
        found = checksum_of(path) if size == entry.bytes else None
    except FileNotFoundError as error:
        raise IndexCorruptError(f"{path}: the file is missing") from error
    if found is None:
        raise IndexCorruptError(f"{path}: {size} bytes, but the manifest says {entry.bytes}")
    if found != entry.checksum:
        raise IndexCorruptError(f"{path}: checksum {found:08x}, but the manifest says {entry.checksum:08x}")
