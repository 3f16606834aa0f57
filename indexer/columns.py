"""Documents on their way to disk: a list for each column of their table, not an object for each document.

A build passes millions of them through here. Loops written in C check, encode and store whole columns; with an
object for each document the same took several times as long.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress

from lsr.indexer.documents import DocumentLike, DocumentRow

from lsr.errors import InvalidArgumentError

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

# For many objects at once. Neither sign can be inside one of them: JSON writes control characters as escapes.
_BETWEEN = "\x1f"
_SPLIT = "\n"
_TOGETHER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(_BETWEEN, ":"))
_ENCODED_AT_ONCE = 4096  # the encoder holds a piece of text for each key and value until it is done

_ROW_BYTES = 250


@dataclass(frozen=True, slots=True)
class DocumentColumns:
    """Some documents as their table holds them, metadata as JSON; all columns are equally long."""

    ids: Sequence[str]
    titles: Sequence[str]
    texts: Sequence[str]
    metadata: Sequence[str]

    @classmethod
    def of(cls, documents: Sequence[DocumentLike]) -> DocumentColumns:
        """Raises InvalidArgumentError, naming the document, for what cannot be stored."""
        ids = [document.id for document in documents]
        _check_ids(ids)
        columns = cls(
            ids,
            [document.title for document in documents],
            [document.text for document in documents],
            _encoded([document.metadata for document in documents], ids),
        )
        for part, column in zip(("id", "title", "text", "metadata"), columns.parts, strict=True):
            _check_storable(part, column, ids)
        return columns

    @classmethod
    def of_rows(cls, rows: Sequence[DocumentRow]) -> DocumentColumns:
        return cls(*zip(*rows, strict=True)) if rows else cls((), (), (), ())

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def parts(self) -> tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str]]:
        """In the order of the table's columns."""
        return self.ids, self.titles, self.texts, self.metadata

    @property
    def size_bytes(self) -> int:
        """Roughly what they take in memory and on disk."""
        return _ROW_BYTES * len(self) + sum(map(len, chain.from_iterable(self.parts)))

    def row(self, at: int) -> DocumentRow:
        return DocumentRow(self.ids[at], self.titles[at], self.texts[at], self.metadata[at])

    def rows(self) -> Iterator[DocumentRow]:
        return map(DocumentRow, *self.parts)

    def where(self, kept: Sequence[bool]) -> DocumentColumns:
        """The documents where ``kept`` is true."""
        return DocumentColumns(*(list(compress(part, kept)) for part in self.parts))


def _check_ids(ids: Sequence[object]) -> None:
    if not all(isinstance(name, str) and name for name in ids):
        wrong = next(name for name in ids if not isinstance(name, str) or not name)
        raise InvalidArgumentError(f"document id {wrong!r}: an id must be a non-empty string", field="id")


def _encoded(metadata: Sequence[Mapping[str, object]], ids: Sequence[str]) -> list[str]:
    """Each document's metadata as JSON."""
    encoded: list[str] = []
    for start in range(0, len(ids), _ENCODED_AT_ONCE):
        objects = [dict(each) if each else {} for each in metadata[start : start + _ENCODED_AT_ONCE]]
        encoded += _encoded_together(objects) or [
            _encoded_alone(each, name) for each, name in zip(objects, ids[start:], strict=False)
        ]
    return encoded


def _encoded_together(objects: Sequence[Mapping[str, object]]) -> list[str]:
    """In one call of the encoder; nothing where that is impossible.

    A call for each took twice as long; half of it was the encoder's own beginning and end.
    """
    try:
        text = _TOGETHER.encode(objects)
    except (TypeError, ValueError):
        return []
    boundary = f"}}{_BETWEEN}{{"
    if text.count(boundary) != len(objects) - 1:  # also within an object: it has a list of others
        return []
    return text[1:-1].replace(boundary, f"}}{_SPLIT}{{").replace(_BETWEEN, ",").split(_SPLIT)


def _encoded_alone(metadata: Mapping[str, object], name: str) -> str:
    try:
        return _JSON.encode(metadata)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"document {name!r}: its metadata cannot be written as JSON ({error})", field="metadata"
        ) from error


def _check_storable(part: str, column: Sequence[str], ids: Sequence[str]) -> None:
    """Raise InvalidArgumentError for a text that has no UTF-8."""
    if all(map(str.isascii, column)):
        return
    for at, text in enumerate(column):
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InvalidArgumentError(
                    f"document {ids[at]!r}: {error.object[error.start]!r} in its {part} is half a character (a"
                    " lone surrogate) and cannot be stored; repair the text's encoding",
                    field=part,
                ) from error
