"""Zstandard as a stream of bytes that notices when its end is missing.

``zstandard``'s own stream reader takes a truncated file for a complete one, so frames are followed here.
"""

from __future__ import annotations

import io
from typing import IO

import zstandard

CHUNK = 1 << 17


class ZstdReader(io.RawIOBase):
    """Decompresses any number of frames, one after the other.

    Raises EOFError if the last one has no end, OSError if one is damaged.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            chunk = self._unused() or self._file.read(CHUNK)
            if not chunk:
                if self._begun and not self._frame.eof:
                    raise EOFError("the file ends in the middle of a frame")
                return 0
            self._begun = True
            self._ready = memoryview(self._decompressed(chunk))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _decompressed(self, chunk: bytes) -> bytes:
        try:
            return bytes(self._frame.decompress(chunk))
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from error

    def _unused(self) -> bytes:
        """What follows a finished frame, after making a new one ready for it."""
        if not self._frame.eof:
            return b""
        rest: bytes = self._frame.unused_data
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        return rest


def open_zstd(file: IO[bytes]) -> io.BufferedReader:
    return io.BufferedReader(ZstdReader(file), CHUNK)
