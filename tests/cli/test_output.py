"""How the commands talk."""

from __future__ import annotations

import io
import re

import pytest

from lsr.cli.output import counted, progress, say


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
