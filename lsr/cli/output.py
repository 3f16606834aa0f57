"""What the commands share in talking: results to standard output, everything else to standard error."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from lsr.wording import counted, were

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsr.forecast import Forecast


PIPE_WIDTH = 200


def results() -> Console:
    """For what was asked for. Made when used, so that tests and pipes are honoured."""
    return _console(sys.stdout)


def notes() -> Console:
    """For progress, notes and warnings."""
    return _console(sys.stderr)


def say(note: str) -> None:
    """A note while there may be a progress line: it goes above that, which a console of its own would break."""
    sys.stderr.write(f"{note}\n")


def _console(stream: TextIO) -> Console:
    """Lines are wrapped for a terminal only; a pipe gets them whole."""
    return Console(file=stream, highlight=False, markup=False, width=None if stream.isatty() else PIPE_WIDTH)


def texts_cut(truncated: int, split: int) -> Iterator[str]:
    """What a report says of texts that the model did not read as they are."""
    if truncated:
        was = were(truncated)
        yield f"{counted(truncated, 'text')} {was} longer than the model reads and {was} cut"
    if split:
        yield f"{counted(split, 'document')} {were(split)} split into passages"


def print_json(value: object) -> None:
    """One JSON document on standard output; dataclasses become objects."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain, indent=2) + "\n")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")


@contextmanager
def progress(label: str, total: int | None, unit: str = "documents") -> Iterator[Callable[[int], None]]:
    """A progress line on standard error with the rate and the time left; yields ``advance(n)``.

    On anything but a terminal it says nothing, so that logs stay readable.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit),
        _Rate(),
        TimeRemainingColumn(),
        console=notes(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(label, total=total)
        yield lambda n: bar.update(task, advance=n)


def human_bytes(n: float) -> str:
    """``1.4 GB``: decimal units, as disks are sold and the file managers count."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 100 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


def human_seconds(seconds: float) -> str:
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def preflight(forecast: Forecast, what: str = "index") -> str:
    """One line before the long part: documents, model, time, batch, memory, size. what: index or vectors"""
    rate = forecast.documents_per_second
    speed = f"{rate:,.0f} documents/s" if rate >= 10 else f"{rate:.2g} documents/s"
    if forecast.batch_tokens:
        speed += f", batches of {forecast.batch_tokens:,} tokens"
    memory = f"memory up to {human_bytes(forecast.memory_bytes)}"
    if forecast.documents is None or forecast.seconds is None or forecast.output_bytes is None:
        return f"{forecast.model}, {speed}; {memory}"
    return (
        f"about {counted(forecast.documents, 'document')} with {forecast.model}:"
        f" {human_seconds(forecast.seconds)} ({speed}), {memory},"
        f" {what} about {human_bytes(forecast.output_bytes)}"
    )
