"""The checksum that the manifest keeps of each file, and those that small JSON files keep of themselves."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsr.indexer.arrays import SUFFIX, check_array
from lsr.indexer.manifest import FileEntry, manifest_checksum

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


def sealed(body: Mapping[str, object]) -> bytes:
    """A JSON object as a file that carries the checksum of its content."""
    return (json.dumps({**body, "checksum": manifest_checksum(body)}, indent=1) + "\n").encode()


def unsealed(raw: bytes) -> dict[str, Any]:
    """The object in such a file. Raises ValueError if it is not what was written."""
    body = json.loads(raw)
    if not isinstance(body, dict) or body.pop("checksum", None) != manifest_checksum(body):
        raise ValueError("its checksum does not match its content")
    return body
