"""How the commands talk."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
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


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "C.UTF-8"}])
def test_names_and_signs_that_the_terminal_cannot_show_are_escaped(
    documents: Path, tmp_path: Path, locale: dict[str, str]
) -> None:
    """Neither a locale without UTF-8 nor a folder whose name is not UTF-8 is a fault."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    plain = {"PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "", "LSR_DEBUG": "1"}
    for command in (
        ["index", documents, "-o", folder, "--model", "bm25"],
        ["search", folder, "read", "--explain"],
        ["info", folder],
        ["verify", folder, "--full"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lsr.cli", *command],
            env={**os.environ, **plain, **locale},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


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
