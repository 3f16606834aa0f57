"""Records from JSONL: one JSON object a line; empty lines are passed over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from lsr.data.fields import kind_of
from lsr.data.records import Record
from lsr.data.streams import Stream, decode_line, numbered_lines

from lsr.errors import InputError


def read_json_lines(stream: Stream) -> Iterator[Record | InputError]:
    """Each line's object, or the error that stands for it."""
    for number, line in numbered_lines(stream):
        if line.isspace():
            continue
        try:
            yield Record(stream.name, number, _parse(decode_line(line.rstrip(), stream.name, number)))
        except _NotAnObjectError as error:
            yield InputError(str(error), path=stream.name, line=number)
        except InputError as error:
            yield error


SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _NotAnObjectError(ValueError):
    pass


def _parse(line: str) -> dict[str, object]:
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _NotAnObjectError(f"invalid JSON: {error.msg} at column {error.pos + 1}{_hint(line)}") from error
    except (ValueError, RecursionError) as error:
        raise _NotAnObjectError(f"invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise _NotAnObjectError(f"expected a JSON object, not {kind_of(value)}{_hint(line)}")
    if SURROGATE.search(line):
        _check_encodable(value)
    return value


def _check_encodable(value: dict[str, object]) -> None:
    """Half of a surrogate pair (JSON can spell one) is not text: it has no UTF-8 form."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(error.object[error.start])
        raise _NotAnObjectError(
            f"half of a surrogate pair (\\u{half:04x}); write the whole character"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _hint(line: str) -> str:
    """For the two commonest mistakes: a JSON array, and an object spread over lines."""
    if line.lstrip().startswith("[") or line.strip() == "{":
        turning = "`jq -c '.[]' in.json > out.jsonl` turns an array into lines"
        return f"; each line must hold one whole object ({turning})"
    return ""
