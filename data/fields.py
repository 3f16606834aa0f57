"""From a record with any field names to a Document.

Names that are not given are guessed, from the habits of BEIR (``_id``, ``title``, ``text``), Anserini (``id``,
``contents``), MS MARCO and sentence-transformers, and the guess is put into words for the user to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lsr.data.documents import Document

from lsr.errors import InputError

ID_NAMES = (
    "_id",
    "id",
    "docid",
    "doc_id",
    "docno",
    "document_id",
    "pid",
    "passage_id",
    "corpus-id",
    "corpus_id",
)
TEXT_NAMES = ("text", "contents", "content", "body", "passage", "document", "positive", "answer", "sentence")
TITLE_NAME = "title"
NUMBERED = "#"
"""As an id's field: number the records, from 1, for sources that have no ids."""


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Which fields of a record make the document; None is guessed.

    id:       a field's name, or "#" to number the records
    text:     one or more names; several are joined by a line break, in this order
    title:    a name; "title" where there is such a field
    metadata: the fields to keep; None keeps all that are left, () keeps none
    """

    id: str | None = None
    text: tuple[str, ...] = ()
    title: str | None = None
    metadata: tuple[str, ...] | None = None

    def resolved(self, names: Sequence[str]) -> FieldMapping:
        """The same with id and text filled in from a record's field names.

        Raises InputError (without a place) that lists the fields there are.
        """
        return FieldMapping(
            id=self.id or _first_of(ID_NAMES, names, "id", "--id-field"),
            text=self.text or (_first_of(TEXT_NAMES, names, "text", "--text-field"),),
            title=self.title,
            metadata=self.metadata,
        )

    def guessed(self, given: FieldMapping) -> str:
        """What this mapping has that ``given`` left open, in words; empty if nothing."""
        parts = []
        if given.id is None:
            parts.append(f'ids from "{self.id}"')
        if not given.text:
            parts.append(f'text from "{self.text[0]}"')
        return ", ".join(parts)


def make_document(values: Mapping[str, object], mapping: FieldMapping, ordinal: int) -> Document:
    """The document a record stands for, by a resolved mapping.

    ordinal: the record's number in its source, from 1.
    Raises InputError (without a place) that names the field at fault.
    """
    if mapping.id is None or not mapping.text:
        raise ValueError("the mapping must be resolved first")
    identifier = str(ordinal) if mapping.id == NUMBERED else _identifier(values, mapping.id)
    text = "\n".join(_text(values, name) for name in mapping.text)
    return Document(identifier, text, _title(values, mapping.title), _metadata(values, mapping))


def left_of(values: Mapping[str, object], mapping: FieldMapping) -> Mapping[str, object]:
    """What a record has besides id, title and text. BEIR's ``metadata`` object is opened: its entries stand
    beside the others.
    """
    used = {mapping.id, mapping.title or TITLE_NAME, *mapping.text}
    left = {name: value for name, value in values.items() if name not in used}
    inner = left.pop("metadata", None)
    if isinstance(inner, Mapping):
        left = {**inner, **left}
    elif inner is not None:
        left["metadata"] = inner
    return left


def identifier_of(value: object, name: str) -> str:
    """An id as text. Raises InputError (without a place) unless it is non-empty text or a whole number."""
    if isinstance(value, str):
        if not value:
            raise InputError(f'field "{name}" is empty; every record needs an id', field=name)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f'field "{name}" must be text or a whole number, not {kind_of(value)}', field=name)


def text_of(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InputError(f'field "{name}" must be text, not {kind_of(value)}', field=name)
    return value


def missing_field(name: str, values: Iterable[str]) -> InputError:
    return InputError(f'no field "{name}"; this record has {listed(values)}', field=name)


def listed(names: Iterable[str]) -> str:
    """Field names for a message, at most ten of them."""
    quoted = [f'"{name}"' for name in names]
    rest = f" and {len(quoted) - 10} more" if len(quoted) > 10 else ""
    return ", ".join(quoted[:10]) + rest if quoted else "no fields"


def kind_of(value: object) -> str:
    """What a JSON value is, in JSON's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    for kind, name in ((str, "a string"), (list, "a list"), (dict, "an object")):
        if isinstance(value, kind):
            return name
    return type(value).__name__


def _first_of(candidates: Sequence[str], names: Sequence[str], role: str, flag: str) -> str:
    for candidate in candidates:
        if candidate in names:
            return candidate
    number_them = f", or number the records with `{flag} '#'`" if role == "id" else ""
    raise InputError(
        f"no field looks like the {role}: this record has {listed(names)};"
        f" name one with `{flag} NAME`{number_them}",
        field=role,
    )


def _identifier(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        raise missing_field(name, values)
    return identifier_of(values[name], name)


def _text(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        raise missing_field(name, values)
    return text_of(values[name], name)


def _title(values: Mapping[str, object], name: str | None) -> str:
    """An absent or null title is no title, unless the caller named the field."""
    if name is not None and name not in values:
        raise missing_field(name, values)
    value = values.get(name or TITLE_NAME)
    return "" if value is None else text_of(value, name or TITLE_NAME)


def _metadata(values: Mapping[str, object], mapping: FieldMapping) -> Mapping[str, object]:
    if mapping.metadata == ():
        return {}
    left, wanted = left_of(values, mapping), mapping.metadata
    return left if wanted is None else {name: left[name] for name in wanted if name in left}
