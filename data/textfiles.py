"""A text or Markdown file as one record: its path is the id, its first heading the title."""

from __future__ import annotations

import re

from lsr.data.records import Record
from lsr.data.streams import Stream, decode_line, numbered_lines

from lsr.errors import InputError

MARKDOWN_SUFFIXES = (".md", ".markdown")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*\s*$")
_UNDERLINE = re.compile(r" {0,3}=+\s*$")
_FRONT_TITLE = re.compile(r"title:\s*(.+?)\s*$")


TEXT_FILE_FIELDS = ("_id", "title", "text")


def read_text_file(stream: Stream, name: str) -> Record | InputError:
    """name: the file's path within its source."""
    try:
        lines = [decode_line(line, stream.name, number) for number, line in numbered_lines(stream)]
    except InputError as error:
        return error
    is_markdown = name.lower().removesuffix(".gz").endswith(MARKDOWN_SUFFIXES)
    title, text = split_title(lines) if is_markdown else ("", "".join(lines))
    return Record(stream.name, None, {"_id": name, "title": title, "text": text.strip()})


def split_title(lines: list[str]) -> tuple[str, str]:
    """A Markdown text's title and the text without it.

    The title is the ``title:`` of its front matter, or else its first heading.

    Front matter (between two lines of ``---`` at the top) is no part of the text.
    """
    front, body = _front_matter(lines)
    for line in front:
        if found := _FRONT_TITLE.match(line):
            return found[1].strip("\"'"), "".join(body)
    return _first_heading(body)


def _front_matter(lines: list[str]) -> tuple[list[str], list[str]]:
    marks = [at for at, line in enumerate(lines) if line.rstrip() == "---"][:2]
    return (lines[1 : marks[1]], lines[marks[1] + 1 :]) if marks[:1] == [0] and len(marks) == 2 else ([], lines)


def _first_heading(lines: list[str]) -> tuple[str, str]:
    fence = ""
    for at, line in enumerate(lines):
        if opened := _FENCE.match(line):
            fence = "" if fence == opened[1] else fence or opened[1]
        elif not fence and (heading := _HEADING.match(line)):
            return heading[1], "".join(lines[:at] + lines[at + 1 :])
        elif not fence and at > 0 and lines[at - 1].strip() and _UNDERLINE.match(line):
            return lines[at - 1].strip(), "".join(lines[: at - 1] + lines[at + 1 :])
    return "", "".join(lines)
