"""Records from TSV and CSV, with a line of names at the top or without.

TSV is what MS MARCO and Lucene tools write: cells are split at tabs, quotes mean nothing. CSV is RFC 4180,
where a quoted cell may hold commas and line breaks.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from lsr.data.fields import ID_NAMES, NUMBERED, TEXT_NAMES, FieldMapping
from lsr.data.records import Record
from lsr.data.report import ReadReport
from lsr.data.streams import Stream, decode_line, numbered_lines

from lsr.errors import InputError

Row = tuple[int, list[str]]
"""The number of the row's first line, and its cells."""

WITHOUT_NAMES = ("id", "text")
"""What two columns hold if no line of names says otherwise."""


def read_tsv(stream: Stream, given: FieldMapping, report: ReadReport) -> Iterator[Record | InputError]:
    return _records(stream.name, _tsv_rows(stream), given, report)


def read_csv(stream: Stream, given: FieldMapping, report: ReadReport) -> Iterator[Record | InputError]:
    return _records(stream.name, _csv_rows(stream), given, report)


def _records(
    path: str, rows: Iterator[Row | InputError], given: FieldMapping, report: ReadReport
) -> Iterator[Record | InputError]:
    names: list[str] | None = None
    for row in rows:
        if isinstance(row, InputError):
            yield row
            continue
        line, cells = row
        if names is None:
            names, has_header = _names(path, line, cells, given, report)
            if has_header:
                continue
        if len(cells) == len(names):
            yield Record(path, line, dict(zip(names, cells, strict=True)))
        else:
            message = f"{len(cells)} columns, but the first line has {len(names)}"
            yield InputError(message, path=path, line=line)


def _names(
    path: str, line: int, cells: list[str], given: FieldMapping, report: ReadReport
) -> tuple[list[str], bool]:
    """The columns' names, and whether the first row is what says them.

    If the caller names columns by number ("1", "2", …), there is no header; by anything else, there is one.
    Unnamed, the first row is a header if it has a name for the id and one for the text.
    """
    wanted = {name for name in (given.id, given.title, *given.text) if name not in {None, NUMBERED}}
    if wanted:
        by_number = all(name is not None and name.isdecimal() for name in wanted)
        return ([str(number) for number in range(1, len(cells) + 1)], False) if by_number else (cells, True)
    if not set(ID_NAMES).isdisjoint(cells) and not set(TEXT_NAMES).isdisjoint(cells):
        return cells, True
    if len(cells) == len(WITHOUT_NAMES):
        report.guessed = "no line of names: ids from column 1, text from column 2"
        return list(WITHOUT_NAMES), False
    raise InputError(
        f"the first line does not name the columns, and there are {len(cells)}, not two; say which by number,"
        " for example `--id-field 1 --text-field 3`",
        path=path,
        line=line,
    )


def _tsv_rows(stream: Stream) -> Iterator[Row | InputError]:
    for number, line in numbered_lines(stream):
        if not line.strip(b"\r\n"):
            continue
        try:
            yield number, decode_line(line, stream.name, number).rstrip("\r\n").split("\t")
        except InputError as error:
            yield error


def _csv_rows(stream: Stream) -> Iterator[Row | InputError]:
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    while True:
        first_line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield InputError(f"invalid CSV: {error}{_advice(error)}", path=stream.name, line=first_line)
        except UndecodableLineError as error:
            yield error.reason
        else:
            if cells:
                yield first_line, cells


class UndecodableLineError(Exception):
    """Carries the reason through csv.reader."""

    def __init__(self, reason: InputError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Lines:
    """Decoded lines that go on after one that cannot be decoded, which a generator would not.

    number: of the line given last
    """

    def __init__(self, stream: Stream) -> None:
        self._name = stream.name
        self._lines = numbered_lines(stream)
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        try:
            return decode_line(line, self._name, self.number)
        except InputError as error:
            raise UndecodableLineError(error) from error


def _advice(error: csv.Error) -> str:
    if "field larger" in str(error):
        return (
            f" ({csv.field_size_limit():,} characters is the most a cell may have); use JSONL for longer texts"
        )
    if "unexpected end" in str(error):
        return "; a quote opened here is never closed"
    return ""
