"""The command line: thin commands over the Python API. ``main`` is what ``lsr`` runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``lsr`` with the process's arguments and leave with its exit status."""
    try:
        from lsr.cli.app import app
        from lsr.cli.errors import run

        status = run(app)
    except KeyboardInterrupt:  # while the program was still being loaded
        status = 130
    sys.exit(status)
