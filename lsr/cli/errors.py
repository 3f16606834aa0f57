"""The one place that turns an exception into a message and an exit status.

0 done · 1 a fault of ours, with a note how to report it · 2 the user can mend it: one message, no traceback ·
130 interrupted, state kept.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from lsr.errors import InvalidArgumentError, LsrError

FAULT, USER, INTERRUPTED = 1, 2, 130
ISSUES = "the project's issue tracker"


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)

    def work() -> None:
        _check_environment()
        app(args=given, prog_name="lsr")

    return guarded(work)


def _check_environment() -> None:
    """Raise InvalidArgumentError if LSR_ISA names no instruction set that is to be had here."""
    if os.environ.get("LSR_ISA"):
        from lsr.indexer.kernels import active_isa

        try:
            active_isa()
        except ValueError as error:
            raise InvalidArgumentError(str(error), field="LSR_ISA") from None


def guarded(work: Callable[[], object]) -> int:
    """Do ``work`` and return an exit status; nothing but a status leaves here."""
    try:
        work()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except (LsrError, OSError, MemoryError) as error:
        return _refuse(error)
    except Exception as error:
        return _fault(error)
    return 0


def _refuse(error: LsrError | OSError | MemoryError) -> int:
    """What the user can mend: one message."""
    sys.stderr.write(f"error: {_message(error)}\n")
    return error.exit_status if isinstance(error, LsrError) else USER


def _message(error: LsrError | OSError | MemoryError) -> str:
    if isinstance(error, LsrError):
        return "; ".join([error.message, *getattr(error, "__notes__", ())])
    if isinstance(error, OSError):
        return _environment_message(error)
    return "no memory left for this job; give it less with --memory 1G, or close something else"


def _environment_message(error: OSError) -> str:
    """What the operating system refused, with what to do about the common cases."""
    place = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or str(error)
    advice = {
        errno.ENOSPC: ". Free some space or choose another folder; an unfinished build goes on with --resume",
        errno.EDQUOT: ". Free some space or choose another folder; an unfinished build goes on with --resume",
        errno.EACCES: ". Choose a folder you may write to, or change its permissions",
        errno.EROFS: ". Choose a folder you may write to",
        errno.EMFILE: ". Raise the limit on open files: `ulimit -n 4096`",
        errno.EADDRINUSE: ". Choose another port with --port",
    }.get(error.errno or 0, "")
    return f"{place}{reason}{advice}"


def _fault(error: Exception) -> int:
    """Keep the traceback in a file for a report; the terminal gets two lines."""
    if os.environ.get("LSR_DEBUG"):
        traceback.print_exc()
        return FAULT
    with tempfile.NamedTemporaryFile(
        "w", prefix="lsr-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"command: {sys.argv}\npython: {sys.version}\n\n")
        traceback.print_exception(error, file=file)
    sys.stderr.write(
        f"fault: {type(error).__name__}: {error}\n"
        f"This is a mistake in lsr, not yours. Please report it to {ISSUES} with {Path(file.name)} "
        "(LSR_DEBUG=1 prints it here).\n"
    )
    return FAULT


def _reader_left() -> int:
    """Whoever read our output stopped (``lsr search … | head``): no fault, and nothing to say at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
