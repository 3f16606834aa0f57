"""One file an array: a header of 64 bytes, raw little-endian data, 64 zero bytes at the end.

The zero bytes let vector loads run past the last element. Files are untrusted: ``open_array`` checks magic,
version, type and length before anything is mapped; ``check_array`` reads every byte. docs/format.md has the
layout.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from lsr.indexer.storage import Storage

from lsr.errors import (
    IndexCorruptError,
    IndexTooNewError,
    IndexTooOldError,
    InvalidArgumentError,
    ResourceError,
)

Array = npt.NDArray[np.generic]
Load = Literal["map", "memory"]

MAGIC = b"LSRARRAY"
VERSION = 1
HEADER_BYTES = 64
TAIL_BYTES = 64
SUFFIX = ".arr"

# Files below this size are read instead of mapped: a mapping holds a file descriptor, a small segment has some
# twenty arrays, and an index may have many small segments.
SMALL_FILE_BYTES = 64 * 1024

# magic, version, type code, count, CRC-32 of the data, CRC-32 of the bytes before this field (at offset 28)
_HEADER = struct.Struct("<8sIIQI")
_HEADER_CHECK = struct.Struct("<I")

_DTYPES: dict[int, np.dtype[np.generic]] = {
    code: np.dtype(name)
    for code, name in enumerate(("<u1", "<u2", "<u4", "<u8", "<i8", "<f2", "<f4", "<f8"), start=1)
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What the first 64 bytes of a file say."""

    dtype: np.dtype[np.generic]
    count: int
    checksum: int

    @property
    def file_bytes(self) -> int:
        return HEADER_BYTES + self.count * self.dtype.itemsize + TAIL_BYTES

    def pack(self) -> bytes:
        head = _HEADER.pack(MAGIC, VERSION, _CODES[self.dtype], self.count, self.checksum)
        return (head + _HEADER_CHECK.pack(zlib.crc32(head))).ljust(HEADER_BYTES, b"\0")


class ArrayWriter:
    """Writes one array in pieces, so that it need not fit into memory."""

    def __init__(self, storage: Storage, path: Path, dtype: npt.DTypeLike) -> None:
        self.path = path
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._file = storage.create(path)
        self._count = 0
        self._checksum = 0
        self._file.write(bytes(HEADER_BYTES))

    def append(self, values: npt.NDArray[np.generic]) -> None:
        """Add values, converted to the file's type; the caller knows that they fit."""
        data = np.ascontiguousarray(values, dtype=self._dtype)
        if data.size:
            raw = data.view(np.uint8).data
            self._checksum = zlib.crc32(raw, self._checksum)
            self._file.write(raw)
            self._count += data.size

    def close(self) -> int:
        """Finish and sync the file; returns the checksum of its data."""
        self._file.write(bytes(TAIL_BYTES))
        self._file.write_at(0, ArrayHeader(self._dtype, self._count, self._checksum).pack())
        self._file.close()
        return self._checksum


def write_array(storage: Storage, path: Path, values: npt.NDArray[np.generic]) -> int:
    """Write and sync one array; returns the checksum of its data."""
    writer = ArrayWriter(storage, path, values.dtype)
    writer.append(values)
    return writer.close()


def open_array(path: Path, *, load: Load = "map") -> Array:
    """A read-only one-dimensional array over a file, kept readable even if the file is unlinked later.

    load: "map" lets the system page the file in, "memory" copies it into anonymous memory (huge pages where the
    system grants them).
    Raises IndexCorruptError or IndexTooNewError naming the file, FileNotFoundError if it is missing.
    """
    if load not in ("map", "memory"):
        raise InvalidArgumentError(f'load must be "map" or "memory", not {load!r}', field="load")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = _parse_header(file.read(HEADER_BYTES), size, path)
        file.seek(0)
        buffer: mmap.mmap | bytes
        if size < SMALL_FILE_BYTES:
            buffer = file.read()
        elif load == "map":
            buffer = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        else:
            buffer = _anonymous_copy(file.fileno(), size, path)
    if len(buffer) != size:
        raise IndexCorruptError(f"{path}: the file shrank while it was read. {_REBUILD}")
    array = np.frombuffer(buffer, header.dtype, header.count, HEADER_BYTES)
    array.setflags(write=False)
    return array


def check_array(path: Path) -> int:
    """Read a whole file and return the checksum of its data.

    Raises IndexCorruptError if any byte of header, data or tail is not what the header announces.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        raw = file.read(HEADER_BYTES)
        header = _parse_header(raw, size, path)
        checksum = 0
        for chunk in _chunks(size - HEADER_BYTES - TAIL_BYTES):
            checksum = zlib.crc32(file.read(chunk), checksum)
        if checksum != header.checksum:
            raise IndexCorruptError(
                f"{path}: the data's checksum is {checksum:08x}, the header says {header.checksum:08x}."
                f" {_REBUILD}"
            )
        if file.read() != bytes(TAIL_BYTES):
            raise IndexCorruptError(f"{path}: the last {TAIL_BYTES} bytes are not zero. {_REBUILD}")
    return checksum


_REBUILD = "The file is damaged: restore the index from a snapshot, or build it again."


def _parse_header(raw: bytes, size: int, path: Path) -> ArrayHeader:
    if len(raw) < HEADER_BYTES:
        raise IndexCorruptError(f"{path}: only {len(raw)} bytes, shorter than its header. {_REBUILD}")
    magic, version, code, count, checksum = _HEADER.unpack_from(raw)
    if magic != MAGIC:
        raise IndexCorruptError(f"{path}: does not begin with {MAGIC.decode()}. {_REBUILD}")
    if version > VERSION:
        raise IndexTooNewError(
            f"{path}: array format {version}, but this release reads up to {VERSION}. Upgrade the package."
        )
    if version < VERSION:
        raise IndexTooOldError(
            f"{path}: array format {version}, but this release reads {VERSION}. Build the index again."
        )
    if _HEADER_CHECK.unpack_from(raw, _HEADER.size)[0] != zlib.crc32(raw[: _HEADER.size]):
        raise IndexCorruptError(f"{path}: the header's own checksum does not match. {_REBUILD}")
    if any(raw[_HEADER.size + _HEADER_CHECK.size :]):
        raise IndexCorruptError(f"{path}: the reserved bytes of the header are not zero. {_REBUILD}")
    if code not in _DTYPES:
        raise IndexCorruptError(f"{path}: unknown type code {code}. {_REBUILD}")
    header = ArrayHeader(_DTYPES[code], count, checksum)
    if header.file_bytes != size:
        raise IndexCorruptError(
            f"{path}: {size} bytes, but its header announces {header.file_bytes}"
            f" ({count} values of {header.dtype.itemsize} bytes). {_REBUILD}"
        )
    return header


def _anonymous_copy(descriptor: int, size: int, path: Path) -> mmap.mmap:
    try:
        # Private: shared memory is another kind of file to the kernel, and has no huge pages by default.
        buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, MemoryError) as error:
        raise ResourceError(
            f"{path}: no memory for its {size:,} bytes. Open the index with load='map' (`--load map`)."
        ) from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # advice: a kernel without huge pages refuses it
            buffer.madvise(mmap.MADV_HUGEPAGE)
    view, done = memoryview(buffer), 0
    while done < size:
        read = os.preadv(descriptor, [view[done : done + (64 << 20)]], done)
        if read == 0:
            raise IndexCorruptError(f"{path}: the file shrank while it was read. {_REBUILD}")
        done += read
    return buffer


def _chunks(total: int, size: int = 1 << 20) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
