"""The filter language: which documents may be returned at all, by their metadata and ids.

    lang = "en" AND year >= 2020 AND tag IN ("a", "b")
    NOT (draft = true OR author.name = "Anonymous") AND id NOT IN ("x1", "x2")

A name is a key of the metadata, dots lead into nested objects, backquotes hold unusual names; ``id`` is the
document's id (``metadata.id`` a key of that name). Values are texts in double quotes with JSON's escapes,
numbers, true or false; a comparison is between values of one kind. Where the metadata hold a list, one element
that matches is enough. ``!=`` and ``NOT IN`` are the opposites of ``=`` and ``IN``: they also hold where the
key is missing. Keywords are read in any case, keys and texts as they are written. Numbers compare as float64,
texts by code points.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from lsr.errors import InvalidArgumentError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput
    from lsr.indexer.segments import Segment

BoolArray = npt.NDArray[np.bool_]
Value = str | float | bool
Operator = Literal["=", "<", "<=", ">", ">="]

MAX_FILTER_CHARACTERS = 1_000_000
MAX_DEPTH = 100

_GRAMMAR = r"""
?start: either
?either: both (_OR both)*
?both: negation (_AND negation)*
?negation: _NOT negation -> opposite
         | "(" either ")"
         | NAME OPERATOR value -> comparison
         | NAME _IN "(" value ("," value)* ")" -> membership
         | NAME _NOT _IN "(" value ("," value)* ")" -> exclusion
value: STRING | NUMBER | BOOLEAN
_AND.3: /and\b/i
_OR.3: /or\b/i
_NOT.3: /not(?![\w.-])/i
_IN.3: /in\b/i
BOOLEAN.3: /(true|false)\b/i
OPERATOR: /!=|<=|>=|=|<|>/
NAME: /[^\W\d][\w-]*(\.[\w-]+)*|`[^`]+`/
STRING: /"([^"\\]|\\.)*"/
NUMBER: /[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/
%ignore /\s+/
"""

_WORDS = {
    "_AND": "AND", "_OR": "OR", "_NOT": "NOT", "_IN": "IN", "OPERATOR": "a comparison (= != < <= > >=)",
    "NAME": "a name", "STRING": 'a text in "quotes"', "NUMBER": "a number", "BOOLEAN": "true or false",
    "LPAR": '"("', "RPAR": '")"', "COMMA": '","', "$END": "the end",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that has been read.

    matches: answers for one segment: a mask over its positions
    keys:    the keys of the metadata that it names
    """

    text: str
    matches: Callable[[Segment], BoolArray]
    keys: frozenset[str]


def parse_filter(text: str) -> Filter:
    """Raises InvalidArgumentError with the position of what cannot be read."""
    from lark.exceptions import UnexpectedInput

    if len(text) > MAX_FILTER_CHARACTERS:
        raise InvalidArgumentError(
            f"filter: {len(text):,} characters, but at most {MAX_FILTER_CHARACTERS:,} are read", field="filter"
        )
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _unreadable(text, error) from error
    return Filter(text, _compiled(tree, 0), _keys(tree))


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


def _unreadable(text: str, error: UnexpectedInput) -> InvalidArgumentError:
    position = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    expected = set(getattr(error, "expected", None) or getattr(error, "allowed", None) or ())
    found = getattr(getattr(error, "token", None), "value", None)
    if not found and position >= 0 and getattr(error, "token", None) is None:
        found = text[position : position + 1]
    at = f"at character {position + 1} ({found!r})" if found else "at its end"
    words = ", ".join(sorted(_WORDS.get(name, name) for name in expected))
    advice = "; equality is one =" if text[max(position - 1, 0) : position + 1] == "==" else ""
    return InvalidArgumentError(
        f"filter: cannot be read {at}: expected {words}{advice}. The filter is: {text[:200]}", field="filter"
    )


def _compiled(tree: Tree[Token] | Token, depth: int) -> Callable[[Segment], BoolArray]:
    if depth > MAX_DEPTH:
        raise InvalidArgumentError(
            f"filter: more than {MAX_DEPTH} levels of brackets and NOT; write it flatter", field="filter"
        )
    kind, children = tree.data, tree.children  # type: ignore[union-attr]
    if kind in ("either", "both"):
        parts = [_compiled(child, depth + 1) for child in children]
        join = np.logical_or if kind == "either" else np.logical_and
        return lambda segment: join.reduce([part(segment) for part in parts])
    if kind == "opposite":
        inner = _compiled(children[0], depth + 1)
        return lambda segment: ~inner(segment)
    name, *rest = children
    if kind == "comparison":
        operator, value = str(rest[0]), _value(rest[1])
        if operator == "!=":
            return _opposite(_test(str(name), "=", [value]))
        return _test(str(name), operator, [value])
    member = _test(str(name), "=", [_value(child) for child in rest])
    return _opposite(member) if kind == "exclusion" else member


def _opposite(test: Callable[[Segment], BoolArray]) -> Callable[[Segment], BoolArray]:
    return lambda segment: ~test(segment)


def _test(name: str, operator: str, values: list[Value]) -> Callable[[Segment], BoolArray]:
    if name == "id":
        ids = [value for value in values if isinstance(value, str)]
        if operator != "=" or len(ids) != len(values):
            raise InvalidArgumentError(
                "filter: ids are texts, compared with =, !=, IN and NOT IN", field="filter"
            )
        return lambda segment: _with_ids(segment, ids)
    key = _key(name)
    return lambda segment: segment.metadata.matching(key, operator, values)


def _key(name: str) -> str:
    return name.strip("`") if name.startswith("`") else name.removeprefix("metadata.")


def _keys(tree: Tree[Token]) -> frozenset[str]:
    tests = tree.find_pred(lambda part: part.data in ("comparison", "membership", "exclusion"))
    names = [str(test.children[0]) for test in tests]
    return frozenset(_key(name) for name in names if name != "id")


def _with_ids(segment: Segment, ids: list[str]) -> BoolArray:
    mask = np.zeros(segment.n_documents, np.bool_)
    mask[[position for _, position in segment.find_ids(list(dict.fromkeys(ids)))]] = True
    return mask


def _value(tree: Tree[Token] | Token) -> Value:
    token = tree.children[0]  # type: ignore[union-attr]
    text = str(token)
    if token.type == "BOOLEAN":  # type: ignore[union-attr]
        return text.lower() == "true"
    if token.type == "NUMBER":  # type: ignore[union-attr]
        return float(text)
    try:
        value: str = json.loads(text, strict=False)
        value.encode()
    except (ValueError, UnicodeEncodeError) as error:
        raise InvalidArgumentError(
            f"filter: the text {text[:100]} has an escape that JSON does not know ({error})", field="filter"
        ) from error
    return value
