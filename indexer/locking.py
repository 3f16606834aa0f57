"""One writer at a time: an flock on the index's ``lock`` file.

The kernel holds the lock and drops it with the process, so a crash leaves nothing to clean up. The file's text
only tells others who holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from lsr.indexer.storage import explained

from lsr.errors import IndexLockedError, IndexNotFoundError

LOCK_NAME = "lock"
SIGNED_WITHIN = 50  # hundredths of a second


class WriterLock:
    """Held from construction to ``release``. Makes no folder: whoever begins an index has done so before.

    Raises IndexLockedError naming the holder if another has it, IndexNotFoundError if there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._descriptor = self._taken(folder)
        text = f"process {os.getpid()} on {socket.gethostname()}, {_program()}, since {_now()}\n"
        try:
            with explained(self._path):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, text.encode("utf-8", "replace"), 0)
        except BaseException:
            self.release()  # nobody else would: the process may be a server that goes on
            raise

    def _taken(self, folder: Path) -> int:
        """The descriptor of the lock file, locked. Over again if it was removed before it was locked: what is
        locked then keeps nobody out.
        """
        while True:
            try:
                with explained(self._path):
                    descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise IndexNotFoundError(
                    f"{folder}: no index here. Check the path, or create one with `lsr index`."
                ) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _signature(descriptor)
                os.close(descriptor)
                raise IndexLockedError(
                    f"{folder}: another process is writing to this index"
                    f" ({holder or 'it has not said who it is'}). Wait until it ends, or stop it."
                ) from None
            if _is_named(self._path, descriptor):
                return descriptor
            os.close(descriptor)

    @property
    def in_place(self) -> bool:
        """Whether the folder is still where it was locked."""
        return _is_named(self._path, self._descriptor)

    def require_in_place(self) -> None:
        """Raise IndexNotFoundError if the folder is no longer where it was locked: what is written there would
        make another one, which names files that it lacks.
        """
        if not self.in_place:
            raise IndexNotFoundError(
                f"{self._path.parent}: was moved or removed while it was open for changes; nothing was written."
                " Put it back, or stop the process and write to it where it lies now."
            )

    def release(self, *, remove: bool = False) -> None:
        """Let go. remove: also delete the file, when the folder never became an index."""
        if self._descriptor >= 0:
            if remove:
                self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)  # or the next one is taken for this one until he has signed
            os.close(self._descriptor)
            self._descriptor = -1


def _signature(descriptor: int) -> str:
    """Who holds the lock: signed just after it was taken, so it may be a moment until it can be read."""
    for _ in range(SIGNED_WITHIN):
        holder = os.pread(descriptor, 1000, 0).decode("utf-8", "replace").strip()
        if holder:
            return holder
        time.sleep(0.01)
    return ""


def _is_named(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _program() -> str:
    return Path(sys.argv[0]).name or "python"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
