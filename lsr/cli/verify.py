"""``lsr verify``: is an index what was written, and does it answer what brute force answers?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import human_bytes, print_json, progress, results
from lsr.errors import IndexCorruptError, LsrError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.indexer.verify import VerifyReport


def verify(
    index: options.Index,
    *,
    full: Annotated[bool, typer.Option("--full", help="Also check what every array and table holds.")] = False,
    samples: Annotated[int, typer.Option(min=0, help="Queries compared with brute force.")] = 20,
    seed: Annotated[int, typer.Option(help="Chooses the sampled queries.")] = 0,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Check an index: every file's checksum, and sampled queries against brute force to the last bit.

    Leaves with status 2 if anything is wrong; every damaged file is named.

    **Examples**

    `lsr verify my.index`

    `lsr verify my.index --full --samples 100`
    """
    from lsr.indexer.verify import verify_index
    from lsr.indexing import available_threads

    with progress("checking", _bytes_to_check(index, full=full), "bytes") as advance:
        report = verify_index(
            index,
            full=full,
            samples=samples,
            seed=seed,
            threads=threads or available_threads(),
            progress=advance,
        )
    if as_json:
        print_json(report)
    else:
        results().print(_checked(report))
        for problem in report.problems:
            results().print(f"  {problem.file}: {problem.message}")
    if not report.sound:
        damaged = counted(len(report.bad_files), "damaged file")
        raise IndexCorruptError(f"{index}: {damaged}; restore a snapshot, or build the index again")


def _bytes_to_check(index: Path, *, full: bool) -> int | None:
    """None where the check will say why it cannot be told."""
    from lsr.indexer.aliases import followed
    from lsr.indexer.manifest import read_manifest

    try:
        manifest = read_manifest(followed(index))
    except LsrError:
        return None
    segments = sum(file.bytes for segment in manifest.segments for file in segment.files)
    return sum(file.bytes for file in manifest.files()) + (segments if full else 0)


def _checked(report: VerifyReport) -> str:
    files = f"{counted(report.files_checked, 'file')} ({human_bytes(report.bytes_checked)})"
    state = "sound" if report.sound else counted(len(report.problems), "problem")
    queries = counted(report.queries_checked, "sampled query", "sampled queries")
    return f"{report.path}: {files} and {queries} checked: {state}"
