"""docs/errors.md lists every code with its status, and none that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lsr.server import limits, problems

from lsr.errors import LsrError

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text("utf-8")
ROWS = {code: status.strip() for code, status in re.findall(r"^\| `([a-z-]+)` \|([^|]*)\|", PAGE, re.MULTILINE)}
SERVER_ONLY = {"unknown-field": "422", "invalid-json": "400", "internal-error": "500", "http-error": ""}


def test_every_class_is_listed_with_its_status():
    for error in (LsrError, *_subclasses(LsrError)):
        assert ROWS.get(error.code) == str(error.http_status), error


def test_every_code_of_the_server_is_listed():
    for status, code in problems.CODES.items():
        assert ROWS.get(code) == str(status)
    for code, status in SERVER_ONLY.items():
        assert ROWS.get(code) == status


def test_nothing_else_is_listed():
    known = {error.code for error in (LsrError, *_subclasses(LsrError))}
    assert set(ROWS) == known | set(problems.CODES.values()) | set(SERVER_ONLY)
    assert limits.RequestTooLargeError.code in known


def test_a_code_belongs_to_one_class():
    classes = list(_subclasses(LsrError))
    assert len({error.code for error in classes}) == len(classes)


def _subclasses(error: type[LsrError]) -> Iterator[type[LsrError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
