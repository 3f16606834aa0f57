"""The command line: thin commands over the Python API. ``main`` is what ``lsr`` runs."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run ``lsr`` with the process's arguments and leave with its exit status."""
    try:
        from lsr.cli.app import app
        from lsr.cli.errors import run

        _take_every_character(sys.stdout)
        status = run(app)
    except KeyboardInterrupt:  # while the program was still being loaded
        status = 130
    sys.exit(status)


def _take_every_character(stream: object) -> None:
    """What the terminal's encoding lacks (no UTF-8, or a file's name that is none) is escaped, not refused."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
