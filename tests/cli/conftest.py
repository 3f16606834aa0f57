"""The command line in this process: what it prints, and the status it leaves with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lsr.cli.app import app
from lsr.cli.errors import run


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


RunLsr = Callable[..., Outcome]


@pytest.fixture
def lsr(capsys: pytest.CaptureFixture[str]) -> RunLsr:
    """Run one command; arguments become strings."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = run(app, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """A JSON lines file of these records; a string is written as it is."""

    def write(records: Sequence[object], name: str = "docs.jsonl") -> Path:
        path = tmp_path / name
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def documents(write_lines: Callable[..., Path]) -> Path:
    return write_lines(
        [
            {"_id": "read", "title": "Files", "text": "read a file line by line"},
            {"_id": "zip", "title": "", "text": "compress bytes", "metadata": {"lang": "en"}},
            {"_id": "empty", "text": ""},
        ]
    )


@pytest.fixture
def index(lsr: RunLsr, documents: Path, tmp_path: Path) -> Path:
    """An index of term counts alone: no model is loaded."""
    path = tmp_path / "small index"
    outcome = lsr("index", documents, "-o", path, "--model", "bm25")
    assert outcome.status == 0, outcome.err
    return path


@pytest.fixture
def tree_bytes() -> Callable[[Path], dict[str, bytes]]:
    """Every file of an index by relative path, to show that nothing changed; the lock only names its holder."""

    def read(folder: Path) -> dict[str, bytes]:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read
