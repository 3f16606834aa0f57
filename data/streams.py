"""Files and standard input as numbered lines of bytes, whatever compresses them.

The compression is told by the first bytes, not by the name, so a renamed file and a pipe both work.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from lsr.errors import InputError, SourceNotFoundError

Source = Path | Literal["-"]
STANDARD_INPUT: Literal["-"] = "-"

GZIP, BZIP2, XZ, ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
COMPRESSED_SUFFIXES = (".gz", ".xz", ".zst", ".zstd", ".bz2")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Stream:
    """An open source, decompressed.

    name:        for messages
    content:     the decompressed bytes
    position:    bytes consumed of the source as it lies on disk
    compression: "gzip", "bzip2", "xz", "zstd" or None
    """

    name: str
    content: IO[bytes]
    position: Callable[[], int]
    compression: str | None


def as_source(source: Path | str) -> Source:
    """``-`` stays standard input; anything else is a path."""
    return STANDARD_INPUT if source == STANDARD_INPUT else Path(source)


def source_size(source: Source) -> int | None:
    """Bytes on disk; None where that is not known before the end."""
    return source.stat().st_size if isinstance(source, Path) and source.is_file() else None


@contextmanager
def open_stream(source: Source) -> Iterator[Stream]:
    """Raises SourceNotFoundError, or InputError where the file cannot be opened."""
    if not isinstance(source, Path):
        yield _decompressed(cast(io.BufferedReader, sys.stdin.buffer), "standard input", lambda: 0)
        return
    with _opened(source) as file:
        yield _decompressed(file, str(source), file.tell)


def numbered_lines(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """``(line number from 1, line with its end)``, without a byte-order mark.

    Raises InputError where the compressed data is damaged or the disk fails: nothing after it can be read.
    """
    number = 0
    try:
        for number, line in enumerate(stream.content, 1):
            yield number, (line.removeprefix(BOM) if number == 1 else line)
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        what = f"damaged {stream.compression} data" if stream.compression else "cannot be read on"
        raise InputError(
            f"{what} ({error}); fetch or write the file again", path=stream.name, line=number + 1
        ) from error


def decode_line(line: bytes, name: str, number: int) -> str:
    """The line as text. Raises InputError that names the first byte that is not UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        written = "UTF-16" if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "LATIN1"
        raise InputError(
            f"invalid UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line;"
            f" convert the file, for example with `iconv -f {written} -t UTF-8`",
            path=name,
            line=number,
        ) from error


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise SourceNotFoundError("no such file; check the path", path=str(path)) from error
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror}", path=str(path)) from error


def _decompressed(file: io.BufferedReader, name: str, position: Callable[[], int]) -> Stream:
    start = file.peek(6)[:6]
    if start.startswith(GZIP):
        return Stream(name, cast(IO[bytes], gzip.GzipFile(fileobj=file)), position, "gzip")
    if start.startswith(BZIP2):
        return Stream(name, bz2.BZ2File(file), position, "bzip2")
    if start.startswith(XZ):
        return Stream(name, lzma.LZMAFile(file), position, "xz")
    if start.startswith(ZSTD):
        from lsr.data.zstd import open_zstd

        return Stream(name, open_zstd(file), position, "zstd")
    return Stream(name, file, position, None)
