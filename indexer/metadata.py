"""Metadata by value: for each key of a segment, which documents have which values, sorted for comparisons.

Arrays ``metadata.*`` of a segment, absent if none of its documents has metadata. Keys are flattened
("author.name"); lists give one entry an element; null gives none.

    keys              u8, packed like terms: the keys, sorted
    number-starts     i64, n_keys + 1: each key's part of the next two
    numbers           f64, ascending within a key
    number-positions  u32: the document that has the number
    text-starts       i64, n_keys + 1: each key's part of the distinct texts
    texts             u8, the distinct texts of all keys, sorted within a key; each begins with its
                      kind, "s" for a text or "b" for true and false
    text-offsets      i64, n_texts + 1: where each begins in ``texts``
    text-runs         i64, n_texts + 1: each text's part of the positions
    text-positions    u32: the documents that have the text, ascending
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from lsr.indexer.arrays import Array
from lsr.indexer.terms import pack_terms, unpack_terms

from lsr.errors import IndexCorruptError

PREFIX = "metadata."
_NAMES = (
    "keys", "number-starts", "numbers", "number-positions", "text-starts", "texts", "text-offsets", "text-runs",
    "text-positions",
)  # fmt: skip

_DECODE = json.JSONDecoder().decode

BoolArray = npt.NDArray[np.bool_]
Value = str | float | bool


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Of one key, in the order of positions; as objects they would take eight times the memory."""

    values: array[float] = field(default_factory=lambda: array("d"))
    positions: array[int] = field(default_factory=lambda: array("I"))

    def ascending(self) -> tuple[Array, Array]:
        """The values, and where each is; equal ones stay in the order of positions."""
        values = np.array(self.values)
        order = np.argsort(values, kind="stable")
        return values[order], np.array(self.positions)[order]


class MetadataBuilder:
    """Collects the metadata of documents in the order of their positions."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, _Numbers] = defaultdict(_Numbers)
        self._texts: defaultdict[str, defaultdict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._position = 0

    def add(self, metadata: Sequence[str]) -> None:
        """Those of the next documents, as JSON. Raises IndexCorruptError unless each is an object."""
        for position, document in enumerate(_decoded(metadata), start=self._position):
            for key, value in _entries(document):
                if isinstance(value, bytes):
                    self._texts[key][value].append(position)
                else:
                    numbers = self._numbers[key]
                    numbers.values.append(value)
                    numbers.positions.append(position)
        self._position += len(metadata)

    def arrays(self) -> dict[str, Array]:
        """By the names above; empty if there was nothing."""
        keys = sorted(self._numbers.keys() | self._texts.keys())
        if not keys:
            return {}
        numbers = [self._numbers.get(key, _Numbers()).ascending() for key in keys]
        texts = [sorted(self._texts.get(key, {}).items()) for key in keys]
        entries = [entry for column in texts for entry in column]
        values: Sequence[Array] = (
            pack_terms(keys),
            _starts([len(values) for values, _ in numbers]),
            np.concatenate([values for values, _ in numbers]).astype(np.float64),
            np.concatenate([positions for _, positions in numbers]).astype(np.uint32),
            _starts([len(column) for column in texts]),
            np.frombuffer(b"".join(text for text, _ in entries), np.uint8),
            _starts([len(text) for text, _ in entries]),
            _starts([len(positions) for _, positions in entries]),
            np.array([position for _, positions in entries for position in positions], np.uint32),
        )
        return dict(zip((PREFIX + name for name in _NAMES), values, strict=True))


class MetadataColumns:
    """Compares the metadata of one segment's documents."""

    def __init__(self, arrays: Mapping[str, Array], n_documents: int, folder: Path) -> None:
        """Raises IndexCorruptError if the arrays do not fit each other."""
        self._n_documents = n_documents
        self._folder = folder
        self._keys: dict[str, int] = {}
        if PREFIX + "keys" not in arrays:
            return
        try:
            columns = [arrays[PREFIX + name] for name in _NAMES]
        except KeyError as error:
            raise self._corrupt(f"{error} is missing from the manifest") from error
        names = unpack_terms(columns[0], folder / f"{PREFIX}keys.arr")
        self._keys = {name: at for at, name in enumerate(names)}
        self._number_starts, self._numbers, self._number_positions = columns[1:4]
        self._text_starts, self._texts, self._text_offsets, self._text_runs, self._text_positions = columns[4:]
        if not (
            len(self._number_starts) == len(self._text_starts) == len(names) + 1
            and len(self._numbers) == len(self._number_positions)
            and len(self._text_offsets) == len(self._text_runs) >= 1
        ):
            raise self._corrupt("the arrays' lengths do not fit each other")

    @property
    def keys(self) -> frozenset[str]:
        """The keys that any document has a value under."""
        return frozenset(self._keys)

    def matching(self, key: str, operator: str, values: Sequence[Value]) -> BoolArray:
        """True where the document has a value under ``key`` that compares so with one of the values."""
        mask = np.zeros(self._n_documents, np.bool_)
        at = self._keys.get(key)
        if at is None:
            return mask
        for value in values:
            positions = (
                self._with_text(at, operator, _encoded(value))
                if isinstance(value, str | bool)
                else self._with_number(at, operator, value)
            )
            if len(positions) and int(positions.max()) >= self._n_documents:
                raise self._corrupt("a position lies outside the segment")
            mask[positions] = True
        return mask

    def _with_number(self, at: int, operator: str, value: float) -> npt.NDArray[np.int64]:
        first, last = int(self._number_starts[at]), int(self._number_starts[at + 1])
        column = self._numbers[first:last]
        left, right = (int(np.searchsorted(column, value, side=side)) for side in ("left", "right"))
        start, stop = _part(operator, left, right, 0, len(column))
        return self._number_positions[first:last][start:stop].astype(np.int64)

    def _with_text(self, at: int, operator: str, value: bytes) -> npt.NDArray[np.int64]:
        first, last = int(self._text_starts[at]), int(self._text_starts[at + 1])
        if not 0 <= first <= last < len(self._text_offsets):
            raise self._corrupt("text-starts are out of range")
        of_kind = [
            bisect_left(range(first, last), kind, key=self._text_at) + first
            for kind in (value[:1], bytes([value[0] + 1]))
        ]
        left = bisect_left(range(first, last), value, key=self._text_at) + first
        right = bisect_right(range(first, last), value, key=self._text_at) + first
        start, stop = _part(operator, left, right, of_kind[0], of_kind[1])
        if start >= stop:
            return np.zeros(0, np.int64)
        return self._text_positions[int(self._text_runs[start]) : int(self._text_runs[stop])].astype(np.int64)

    def _text_at(self, index: int) -> bytes:
        return self._texts[int(self._text_offsets[index]) : int(self._text_offsets[index + 1])].tobytes()

    def _corrupt(self, problem: str) -> IndexCorruptError:
        return IndexCorruptError(
            f"{self._folder / (PREFIX + 'keys.arr')}: {problem}."
            " Restore the index from a snapshot, or build it again."
        )


def _part(operator: str, left: int, right: int, first: int, last: int) -> tuple[int, int]:
    """The part of a sorted column that compares so with a value which lies from left to right in it."""
    return {
        "=": (left, right),
        "<": (first, left),
        "<=": (first, right),
        ">": (right, last),
        ">=": (left, last),
    }[operator]


def _decoded(metadata: Sequence[str]) -> list[dict[str, object]]:
    """All in one call, which takes half the time of a call for each."""
    try:
        documents: list[dict[str, object]] = _DECODE(f"[{','.join(metadata)}]")
    except ValueError as error:
        raise _no_objects(str(error)) from error
    if len(documents) != len(metadata) or not all(isinstance(document, dict) for document in documents):
        raise _no_objects("not an object for each document")
    return documents


def _no_objects(problem: str) -> IndexCorruptError:
    return IndexCorruptError(
        f"the metadata of the documents are damaged ({problem}). Discard the build or the staged changes, or"
        " restore the index from a snapshot."
    )


def _entries(document: object) -> set[tuple[str, float | bytes]]:
    """Keys with their values, each pair once."""
    found: list[tuple[str, float | bytes]] = []
    _flatten("", document, found)
    return set(found)


def _flatten(key: str, value: object, found: list[tuple[str, float | bytes]]) -> None:
    """Appends to one list, and asks for exact types, of which JSON has seven: generators within each other and
    ``isinstance`` took twice as long.
    """
    if type(value) is str:
        found.append((key, b"s" + value.encode()))
    elif type(value) is dict:
        for name, inner in value.items():
            _flatten(f"{key}.{name}" if key else name, inner, found)
    elif type(value) is list:
        for inner in value:
            _flatten(key, inner, found)
    elif type(value) is bool:
        found.append((key, _encoded(value)))
    elif value is not None:
        found.append((key, _as_float(value)))


def _as_float(value: object) -> float:
    """JSON's integers have no bounds; what float64 cannot hold is infinite."""
    number = cast("int | float", value)
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _encoded(value: str | bool) -> bytes:
    """With the kind in front, so that true is not the text "true"."""
    if isinstance(value, bool):
        return b"btrue" if value else b"bfalse"
    return b"s" + value.encode()


def _starts(sizes: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *sizes], dtype=np.int64)
