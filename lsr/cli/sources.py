"""From the flags that describe a source to its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsr.cli import options
from lsr.cli.output import say
from lsr.errors import InputError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.data.report import ReadReport


TOLD_EARLY = 1000  # documents; fields that fewer than one in so many have are rare


def standard_lines() -> Iterator[str]:
    """The lines of standard input without their ends. Raises InputError that names a line that is not UTF-8."""
    from lsr.data.streams import STANDARD_INPUT, decode_line, numbered_lines, open_stream

    with open_stream(STANDARD_INPUT) as stream:
        for number, line in numbered_lines(stream):
            yield decode_line(line, stream.name, number).rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source about to be read.

    expected:    documents in it, as far as one can tell before
    fingerprint: what identifies it for a resumed build; None if it cannot be read again
    note:        what the user should know beforehand; may be empty
    """

    documents: Iterator[Document]
    report: ReadReport
    expected: int | None
    fingerprint: Mapping[str, object] | None
    note: str


def open_source(
    source: str,
    *,
    format_: str | None,
    id_field: str | None,
    text_field: list[str] | None,
    title_field: str | None,
    metadata_field: list[str] | None,
    on_error: options.OnError,
) -> OpenSource:
    """Raises SourceNotFoundError at once for what is not there."""
    from lsr.data.estimate import estimate_documents
    from lsr.data.fields import FieldMapping
    from lsr.data.readers import read_documents
    from lsr.data.report import ReadReport
    from lsr.data.sample import located
    from lsr.indexing import source_fingerprint

    source = str(located(source))
    mapping = FieldMapping(
        id=id_field,
        text=tuple(text_field or ()),
        title=title_field,
        metadata=None if metadata_field is None else tuple(metadata_field),
    )
    report = ReadReport()
    documents = read_documents(source, format=format_, mapping=mapping, on_error=on_error.value, report=report)
    settings = {"format": format_, "mapping": repr(mapping), "on_error": on_error.value}
    fingerprint = source_fingerprint(source, settings)
    note = "standard input cannot be read again, so this build cannot be resumed" if fingerprint is None else ""
    expected = estimate_documents(source, format=format_)
    return OpenSource(_told(documents, report), report, expected, fingerprint, note)


def _told(documents: Iterator[Document], report: ReadReport) -> Iterator[Document]:
    """The same documents; says with the first which fields were guessed, and at the end what was skipped.

    Of metadata fields that no document has, it speaks before the long part of the work, and again at the end.
    """
    try:
        for at, document in enumerate(documents):
            if at == 0 and report.guessed:
                say(f"note: {report.guessed}")
            if at == TOLD_EARLY and report.absent:
                say(f"note: none of the first {at:,} documents has {_absent(report)}")
            yield document
    except InputError as error:
        if error is report.stopped_at:
            error.add_note("mend it, or pass over such records with `--on-error skip`")
        raise
    if report.skipped:
        _say_skipped(report)
    if report.absent:
        say(f"warning: no document has {_absent(report)}")


def _absent(report: ReadReport) -> str:
    from lsr.data.fields import listed

    fields = "the metadata field" if len(report.absent) == 1 else "any of the metadata fields"
    return f"{fields} {listed(report.absent)}; besides id, title and text there are {listed(report.seen)}"


def _say_skipped(report: ReadReport) -> None:
    rest = report.skipped - len(report.first_errors)
    say(f"{counted(report.skipped, 'record')} skipped:")
    for reason in (*report.first_errors, *([f"and {rest:,} more"] if rest else [])):
        say(f"  {reason}")
