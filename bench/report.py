"""What a benchmark writes down: its tables, and everything one needs to judge or repeat them.

One JSON file for programs and one Markdown file for people, named after the suite, in ``bench/results/``.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from lsr.eval.environment import commit, cpu_name
from lsr.indexer.kernels import active_isa, supported_isa

PACKAGES = ("lsr", "numpy", "scipy", "torch", "transformers")

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows of figures. note: how they were taken, where the columns do not say it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def markdown(self) -> str:
        lines = [
            f"### {self.title}",
            "",
            "| " + " | ".join(self.columns) + " |",
            "|" + "---|" * len(self.columns),
            *("| " + " | ".join(_shown(cell) for cell in row) + " |" for row in self.rows),
        ]
        return "\n".join([*lines, "", self.note, ""] if self.note else [*lines, ""])


@dataclass(frozen=True)
class Machine:
    """Where and with what the figures were taken. load: of the last minute, when the suite began."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    packages: Mapping[str, str]
    commit: str | None
    command: str
    isa: str
    supported_isa: str
    load: float
    when: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    @classmethod
    def here(cls, command: str, packages: Sequence[str] = ()) -> Machine:
        """packages: peers whose versions the figures depend on, besides our own; absent ones are left out."""
        return cls(
            cpu=cpu_name(),
            cores=os.cpu_count() or 1,
            memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            packages={name: version for name in (*PACKAGES, *packages) if (version := _version(name))},
            commit=commit(),
            command=command,
            isa=active_isa(),
            supported_isa=supported_isa(),
            load=round(psutil.getloadavg()[0], 2),
        )

    def markdown(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb} GB, {self.system}; Python {self.python};"
            f" {versions}. Instruction set {self.isa} (of {self.supported_isa}). Commit {self.commit},"
            f" {self.when}, load {self.load}.\n\n    {self.command}\n"
        )


@dataclass(frozen=True)
class Report:
    suite: str
    machine: Machine
    tables: Sequence[Table]

    def markdown(self) -> str:
        tables = (table.markdown() for table in self.tables)
        return "\n".join([f"## {self.suite}", "", self.machine.markdown(), *tables])

    def write(self, folder: Path) -> list[Path]:
        """Write both files; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        markdown, data = folder / f"{self.suite}.md", folder / f"{self.suite}.json"
        markdown.write_text(self.markdown(), encoding="utf-8")
        data.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return [markdown, data]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1000 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
