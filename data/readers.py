"""Documents from whatever holds them: the one door through which collections come in.

A source is read in one pass and never held in memory; only the ids are, to find duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from lsr.data.delimited import read_csv, read_tsv
from lsr.data.documents import Document
from lsr.data.fields import FieldMapping, left_of, make_document
from lsr.data.formats import Format, Part, parts_of, total_size
from lsr.data.jsonlines import read_json_lines
from lsr.data.parquet import read_parquet
from lsr.data.records import Record
from lsr.data.report import ReadReport
from lsr.data.streams import STANDARD_INPUT, Stream, as_source, open_stream
from lsr.data.textfiles import TEXT_FILE_FIELDS, read_text_file

from lsr.errors import DuplicateIdError, EmptySourceError, InputError

OnError = Literal["stop", "skip"]


def read_documents(
    source: Path | str,
    *,
    format: Format | str | None = None,  # noqa: A002 - the word users know from the command line
    mapping: FieldMapping | None = None,
    on_error: OnError = "stop",
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """All documents of ``source``, in its order.

    source: a file, a folder, or ``-`` for standard input
    format: told by the names if None
    mapping: which fields make a document; what it leaves open is guessed from the first record
    on_error: "stop" raises at the first record that cannot be used, "skip" counts it in ``report`` and goes on
    report: counts as the reading goes

    A missing source is an error at once, not at the first document. Raises InputError, SourceNotFoundError,
    DuplicateIdError, and EmptySourceError where a source ends without a single document.
    """
    where = as_source(source)
    parts = parts_of(where, format)
    counts = report if report is not None else ReadReport()
    counts.bytes_total = total_size(parts)
    given = mapping or FieldMapping()
    if parts[0].format is Format.TEXT:  # whose records have the fields that we give them: nothing is guessed
        given = given.resolved(TEXT_FILE_FIELDS)
    found = _documents(_records(parts, given, counts), given, counts)
    return _judged(found, "standard input" if where == STANDARD_INPUT else str(source), on_error, counts)


def _records(parts: Iterable[Part], given: FieldMapping, report: ReadReport) -> Iterator[Record | InputError]:
    for part in parts:
        if part.format is Format.PARQUET:
            yield from read_parquet(Path(part.source), report)
            continue
        with open_stream(part.source) as stream:
            report.enter(stream.position)
            yield from _stream_records(stream, part, given, report)
            report.leave()


def _stream_records(
    stream: Stream, part: Part, given: FieldMapping, report: ReadReport
) -> Iterator[Record | InputError]:
    match part.format:
        case Format.TSV:
            yield from read_tsv(stream, given, report)
        case Format.CSV:
            yield from read_csv(stream, given, report)
        case Format.TEXT:
            yield read_text_file(stream, part.name)
        case _:
            yield from read_json_lines(stream)


def _documents(
    records: Iterable[Record | InputError], given: FieldMapping, report: ReadReport
) -> Iterator[Document | InputError]:
    """Each record's document, or the error that stands for it. The first usable record settles the mapping."""
    mapping: FieldMapping | None = None
    seen: set[str] = set()
    report.absent = given.metadata or ()
    for ordinal, record in enumerate(records, 1):
        if isinstance(record, InputError):
            yield record
            continue
        try:
            if mapping is None:
                mapping = given.resolved(list(record.values))
                report.guessed = report.guessed or mapping.guessed(given)
            document = make_document(record.values, mapping, ordinal)
            _check_new(document.id, seen)
            if report.absent:
                report.look_for_absent(document.metadata, left_of(record.values, mapping))
            yield document
        except InputError as error:
            yield record.placed(error)


def _check_new(identifier: str, seen: set[str]) -> None:
    before = len(seen)
    seen.add(identifier)
    if len(seen) == before:
        raise DuplicateIdError(f'the id "{identifier}" stands a second time; ids must be unique')


def _judged(
    found: Iterable[Document | InputError], name: str, on_error: OnError, report: ReadReport
) -> Iterator[Document]:
    """The documents alone: an error among them ends the pass or is counted."""
    for item in found:
        if isinstance(item, Document):
            report.read += 1
            yield item
        elif on_error == "skip":
            report.skip(item)
        else:
            report.stopped_at = item
            raise item
    if report.read == 0:
        raise EmptySourceError(_nothing_read(report), path=name)


def _nothing_read(report: ReadReport) -> str:
    if report.skipped:
        why = report.first_errors[0]
        return f"no documents: every record was skipped ({report.skipped:,} in all); the first because {why}"
    return "no documents: the source is empty; check that it is the right one"
