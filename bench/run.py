"""Run benchmark suites and write their reports.

    python bench/run.py                      every suite
    python bench/run.py engine quality       these suites

A suite is one or more scripts of this folder, each run in a process of its own; a script prints its figures as
lines of JSON, which become a table. Figures mean something on a quiet machine only: a report gives the load at
its start, and systems are compared within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from report import Machine, Report, Table  # noqa: E402 - found beside this file

ENGINES = ("lsr", "numba TAAT", "splade-index", "PISA MaxScore", "PISA BM-WAND", "qdrant-edge", "Lucene impact")
MILLION = ("lsr", "lsr reordered", "numba TAAT", "splade-index", "PISA MaxScore", "qdrant-edge")


def _apart(name: str, title: str) -> dict[str, list[str]]:
    """Two rounds in opposite order, each engine in a process of its own: together they do not fit."""
    return {
        f"{title}, {engine}, round {round_}": [
            *("engine.py", "--sets", name, "--engines", engine, "--most", "1300"),
            *("--rounds", "1", "--recalled", "2" if engine == "lsr" and round_ == 1 else "0", "--isas"),
        ]
        for round_, order in ((1, ("lsr", "numba TAAT")), (2, ("numba TAAT", "lsr")))
        for engine in order
    }


# By suite: the scripts to run, each with a title for its table.
SUITES: dict[str, dict[str, list[str]]] = {
    "engine": {
        "Engines over 35,697 passages": ["engine.py", "--rounds", "2", "--engines", *ENGINES, "scipy"],
        "Engines over 236,404 passages": [
            *("engine.py", "--sets", "wiki-lead", "--most", "1300", "--rounds", "2", "--engines"),
            *(*ENGINES, "lsr reordered"),
        ],
        "Engines over a million synthetic documents": [
            *("engine.py", "--sets", "msmarco-dl:1000000", "--rounds", "2", "--load", "memory"),
            *("--recalled", "10", "--engines", *MILLION),
        ],
        "Engines over a million synthetic documents of wiki-lead's": [
            *(
                "engine.py",
                "--sets",
                "wiki-lead:1000000",
                "--most",
                "1300",
                "--rounds",
                "2",
                "--load",
                "memory",
            ),
            *("--recalled", "3", "--isas", "--engines", "lsr", "lsr reordered", "numba TAAT"),
        ],
        "The order of documents": [
            *(
                "engine.py",
                "--sets",
                "wiki-lead",
                "--most",
                "1300",
                "--rounds",
                "4",
                "--recalled",
                "10",
                "--isas",
            ),
            *("--engines", "lsr shuffled", "lsr", "lsr reordered"),
        ],
        "A million documents as mapped files": [
            *("engine.py", "--sets", "msmarco-dl:1000000", "--rounds", "2", "--load", "map", "--isas"),
            *("--recalled", "0", "--engines", "lsr"),
        ],
        "The fast mode and Seismic": [
            *("fast.py", "--sets", "msmarco-dl", "wiki-lead", "msmarco-dl:1000000"),
            *("--engines", "seismic", "--most", "2200", "--load", "memory"),
        ],
        "Threads": ["threads.py", "--sets", "msmarco-dl", "msmarco-dl:1000000", "--load", "memory"],
        "Storage of weights": ["storage.py"],
    },
    "large": {
        **_apart("msmarco-dl:4400000", "4.4 million documents"),
        **_apart("msmarco-dl:8800000", "8.8 million documents"),
        **_apart("wiki-lead:8800000", "8.8 million documents of wiki-lead's"),
        "The fast mode at 8.8 million documents": ["fast.py", "--sets", "msmarco-dl:8800000"],
    },
    "quality": {"Quality": ["quality.py"]},
    "memory": {"Memory over 35,697 passages": ["memory.py"]},
    "life": {
        "Life of an index of 35,697 passages": ["life.py"],
        "Life of an index of 236,404 passages": ["life.py", "--set", "wiki-lead"],
        "Life of an index of a million synthetic documents": ["life.py", "--set", "msmarco-dl:1000000"],
    },
    "encoder": {"Encoding": ["encoder.py", "speed"], "Parity with torch": ["encoder.py", "parity"]},
}
PEERS = (
    *("sentence-transformers", "splade-index", "numba", "pyserini"),
    *("pyseismic-lsr", "pyterrier-pisa", "qdrant-edge-py"),
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Run benchmark suites and write their reports.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"which to run: {', '.join(SUITES)} (all)")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the reports")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.suites if name not in SUITES]
    if unknown:
        parser.error(f"no suite {unknown[0]!r}; choose from {', '.join(SUITES)}")
    if not Path(os.environ.get("LSR_COLLECTIONS", "")).is_dir() or not os.environ.get("LSR_COLLECTIONS"):
        parser.error("LSR_COLLECTIONS must name the folder with the test collections (scifact, msmarco-dl, …)")
    failed = []
    for name in given.suites or SUITES:
        machine = Machine.here(shlex.join(["python", "bench/run.py", name]), PEERS)
        tables = []
        for title, script in SUITES[name].items():
            rows, status = run_script(script)
            tables.append(table_of(title, rows, shlex.join(["python", f"bench/{script[0]}", *script[1:]])))
            if status != 0:
                failed.append(f"{name}: bench/{script[0]} left with status {status}")
        report = Report(name, machine, tables)
        print(report.markdown())
        for path in report.write(given.out):
            print(f"wrote {path}", file=sys.stderr)
    for each in failed:
        print(f"error: {each}", file=sys.stderr)
    return 1 if failed else 0


def run_script(script: Sequence[str]) -> tuple[list[dict[str, object]], int]:
    """What a script printed, and its exit status; other lines than JSON objects go to standard error."""
    command = [sys.executable, str(HERE / script[0]), *script[1:]]
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                rows.append(json.loads(line))
            print(line, end="", file=sys.stderr, flush=True)
    return rows, process.returncode


def table_of(title: str, rows: Sequence[dict[str, object]], note: str) -> Table:
    """Rows with their keys, in the order in which they first appear, as columns."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return Table(title, columns, [[_cell(row.get(column)) for column in columns] for row in rows], f"`{note}`")


def _cell(value: object) -> str | int | float | None:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
