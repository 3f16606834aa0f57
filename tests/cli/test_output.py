"""How the commands talk."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsr.cli.output import progress, say
from lsr.wording import counted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_note_goes_above_the_progress_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress("indexing", 3) as advance:
        advance(1)
        say("a note")
        advance(2)

    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()))
    assert "a note" in lines
    assert any(line.lstrip("⠋ ").startswith("indexing") for line in lines)


def test_numbers_and_their_nouns() -> None:
    assert [counted(n, "document") for n in (0, 1, 4931)] == ["0 documents", "1 document", "4,931 documents"]
    assert [counted(n, "query", "queries") for n in (0, 1, 2)] == ["0 queries", "1 query", "2 queries"]


@pytest.mark.parametrize("form", ["jsonl", "npz", "anserini", "ciff"])
def test_one_of_a_thing_is_told_as_one(
    lsr: Callable[..., Any], write_lines: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    source = write_lines([{"id": "a", "text": "word"}])
    index = ("index", source, "-o", tmp_path / "i", "--model", "bm25")
    told = [
        lsr(*index),
        lsr("info", tmp_path / "i"),
        lsr("search", tmp_path / "i", "word"),
        lsr("verify", tmp_path / "i", "--samples", "1"),
        lsr("export", tmp_path / "i", tmp_path / "out", "--format", form),
        lsr("import", tmp_path / "out", "-o", tmp_path / "again", "--format", form),
        lsr("delete", tmp_path / "i", "a"),
    ]
    said = "".join(outcome.out + outcome.err for outcome in told)
    assert [outcome.status for outcome in told] == [0] * len(told)
    assert "1 document, 1 non-zero in" in said
    assert "1 sampled query checked" in said
    assert "1 matches" in said
    assert re.findall(r"(?<![.\d])1 (?!matches)\w\w+s\b", said.replace("1 ms", "")) == []
