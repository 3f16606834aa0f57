"""Which format a source has, and which files it consists of: told by names, or said by the caller."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lsr.data.streams import COMPRESSED_SUFFIXES, STANDARD_INPUT, Source, source_size

from lsr.errors import InputError, InvalidArgumentError, SourceNotFoundError


class Format(StrEnum):
    """How documents can lie in a file. A folder is BEIR's, or holds files of one of these."""

    JSONL = "jsonl"
    TSV = "tsv"
    CSV = "csv"
    PARQUET = "parquet"
    TEXT = "text"


SUFFIXES = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".tsv": Format.TSV,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".txt": Format.TEXT,
    ".md": Format.TEXT,
    ".markdown": Format.TEXT,
}
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".7z")
STREAMED = (Format.JSONL, Format.TSV, Format.CSV)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a source. name: its path within the source, with ``/``; what a text file is known by."""

    source: Source
    format: Format
    name: str


def parts_of(source: Source, format: Format | str | None) -> list[Part]:  # noqa: A002
    """The files to read, in order.

    Raises SourceNotFoundError; InputError if the format cannot be told; InvalidArgumentError if it cannot be.
    """
    wanted = as_format(format)
    if not isinstance(source, Path):
        return [Part(STANDARD_INPUT, _streamed(wanted or Format.JSONL), source)]
    if source.is_dir():
        return _folder_parts(source, wanted)
    if not source.exists():
        raise SourceNotFoundError("no such file or folder; check the path", path=str(source))
    return [Part(source, wanted or _format_of_file(source), source.name)]


def total_size(parts: Iterable[Part]) -> int | None:
    """Bytes of all files together, as they lie on disk; None for standard input."""
    sizes = [source_size(part.source) for part in parts]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def as_format(name: Format | str | None) -> Format | None:
    """Raises InvalidArgumentError that lists the formats."""
    if name is None:
        return None
    try:
        return Format(name)
    except ValueError:
        raise InvalidArgumentError(
            f"unknown format {str(name)!r}; there are {', '.join(Format)}", field="format"
        ) from None


def find_file(folder: Path, stem: str) -> Path | None:
    """``stem`` itself or a compressed one, in ``folder``."""
    for suffix in ("", *COMPRESSED_SUFFIXES):
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            return path
    return None


def corpus_file(folder: Path) -> Path:
    """BEIR's corpus file. Raises InputError if the folder has none."""
    found = find_file(folder, "corpus.jsonl")
    if found is None:
        raise InputError("no corpus.jsonl (or .gz, .xz, .zst) in this folder", path=str(folder))
    return found


def _streamed(format: Format) -> Format:  # noqa: A002
    if format not in STREAMED:
        raise InvalidArgumentError(
            f"{format} cannot be read from standard input; give a path, or use {', '.join(STREAMED)}",
            field="format",
        )
    return format


def _format_of_name(name: str) -> Format | None:
    path = Path(name)
    if path.suffix.lower() in COMPRESSED_SUFFIXES:
        path = path.with_suffix("")
    return SUFFIXES.get(path.suffix.lower())


def _format_of_file(path: Path) -> Format:
    found = _format_of_name(path.name)
    if found is None and any(suffix in ARCHIVE_SUFFIXES for suffix in path.suffixes):
        raise InputError(
            "an archive; unpack it first, and give the folder or file that it held", path=str(path)
        )
    if found is None:
        raise InputError(
            f"the name does not tell the format; say it with `--format` ({', '.join(Format)})", path=str(path)
        )
    return found


def _folder_parts(folder: Path, wanted: Format | None) -> list[Part]:
    """BEIR's corpus if there is one, else all files of the one format that the folder holds.

    Texts beside records (a README.md beside Parquet files) are not taken for documents.
    """
    corpus = find_file(folder, "corpus.jsonl")
    if corpus is not None and wanted in {None, Format.JSONL}:
        return [Part(corpus, Format.JSONL, corpus.name)]
    files = [(name, _format_of_name(name)) for name in _file_names(folder)]
    chosen = wanted or _only_format(folder, Counter(found for _, found in files if found is not None))
    parts = [Part(folder / name, chosen, name) for name, found in files if found is chosen]
    if not parts:
        raise InputError(f"no {chosen} files in this folder", path=str(folder))
    return parts


def _only_format(folder: Path, counts: Counter[Format]) -> Format:
    records = [found for found in counts if found is not Format.TEXT]
    if len(records) > 1:
        there = ", ".join(f"{counts[found]} {found}" for found in sorted(records))
        raise InputError(
            f"files of several formats ({there}); say which with `--format`, or give one file", path=str(folder)
        )
    if not counts:
        raise InputError(f"no file here has documents ({', '.join(SUFFIXES)})", path=str(folder))
    return records[0] if records else Format.TEXT


def _file_names(folder: Path) -> list[str]:
    """Paths of all files below, with ``/``, sorted; nothing hidden, no links to folders followed."""
    names: list[str] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(root).relative_to(folder)
        names += [(below / name).as_posix() for name in _visible(files)]
    return sorted(names)


def _visible(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]
