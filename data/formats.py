"""Which format a source has, and which files it consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lsr.data.streams import COMPRESSED_SUFFIXES, STANDARD_INPUT, Source

from lsr.errors import InputError, InvalidArgumentError, SourceNotFoundError


class Format(StrEnum):
    """How documents can lie. ``beir`` is a folder with a corpus.jsonl."""

    BEIR = "beir"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a source."""

    source: Source
    format: Format


def parts_of(source: Source, format: Format | str | None) -> list[Part]:  # noqa: A002
    """The files to read, in order. Raises SourceNotFoundError, or InputError if the format cannot be told."""
    wanted = as_format(format)
    if source == STANDARD_INPUT:
        return [Part(STANDARD_INPUT, wanted or Format.JSONL)]
    path = Path(source)
    if not path.exists():
        raise SourceNotFoundError("no such file or folder; check the path", path=str(path))
    if path.is_dir():
        return [Part(corpus_file(path), Format.JSONL)]
    return [Part(path, wanted or Format.JSONL)]


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
    found = find_file(folder, "corpus.jsonl")
    if found is None:
        raise InputError("no corpus.jsonl (or .gz, .xz, .zst) in this folder", path=str(folder))
    return found
