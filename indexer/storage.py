"""Every write of an index goes through here, so that tests can stop, tear or refuse it at any step.

The rules that keep a commit whole, whatever happens to the machine:

1. A file is written once, under its final name, and synced before anything names it.
2. The folder that holds it is synced as well; otherwise the name could be lost.
3. ``manifest.json`` alone is replaced: temporary name, sync, rename, sync of the folder.

``Storage`` lists the steps; ``FileStorage`` performs them. Whatever the operating system refuses is told in the
user's words (``explained``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from lsr.errors import IndexReadOnlyError, LsrError, ResourceError

Bytes = bytes | memoryview


class StoredFile(Protocol):
    """A file being written. Nothing else may name it before ``close`` has returned."""

    def write(self, data: Bytes) -> None:
        """Append."""

    def write_at(self, offset: int, data: bytes) -> None:
        """Overwrite what was appended before, such as a header that counts what follows."""

    def close(self) -> None:
        """Sync the content, then close."""


class Storage(Protocol):
    """The steps by which an index changes on disk."""

    def make_folder(self, path: Path) -> None:
        """Create a folder and its parents; one that exists is kept."""

    def create(self, path: Path) -> StoredFile:
        """Begin a new file; whatever had this name before is not part of any index and is dropped."""

    def adopt(self, source: Path, target: Path) -> None:
        """Sync a finished scratch file and give it its final name."""

    def rename(self, source: Path, target: Path) -> None:
        """Replace target by source in one step."""

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name (a copy where the file system has no links)."""

    def point(self, alias: Path, target: Path) -> None:
        """Make a symbolic link name a target, in one step whether it is there or not."""

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder; one that is gone already is fine."""


class FileStorage:
    """``Storage`` on the local file system."""

    def make_folder(self, path: Path) -> None:
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> StoredFile:
        with explained(path):
            return _SyncedFile(path.open("wb"), path)

    def adopt(self, source: Path, target: Path) -> None:
        with explained(target):
            with source.open("rb") as file:
                os.fsync(file.fileno())
            source.replace(target)

    def rename(self, source: Path, target: Path) -> None:
        with explained(target):
            source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        with explained(target):
            try:
                target.hardlink_to(source)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                    raise
                shutil.copyfile(source, target)
                _sync(target)

    def point(self, alias: Path, target: Path) -> None:
        new = alias.with_name(f".{alias.name}.new")
        with explained(alias):
            while True:
                new.unlink(missing_ok=True)
                try:
                    new.symlink_to(target)
                except FileExistsError:
                    continue  # of another process at the same alias; the last one wins
                with contextlib.suppress(FileNotFoundError):
                    new.replace(alias)
                    return

    def sync_folder(self, path: Path) -> None:
        with explained(path):
            _sync(path)

    def remove(self, path: Path) -> None:
        with explained(path), contextlib.suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


class _SyncedFile:
    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def write(self, data: Bytes) -> None:
        with explained(self._path):
            self._file.write(data)

    def write_at(self, offset: int, data: bytes) -> None:
        with explained(self._path):
            self._file.seek(offset)
            self._file.write(data)
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        with explained(self._path):
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                self._file.close()


def make_place(storage: Storage, path: Path) -> None:
    """Create a folder and its parents, those durably; its own name is for the caller to sync."""
    missing = [folder for folder in path.parents if not folder.exists()]
    storage.make_folder(path)
    for folder in reversed(missing):
        storage.sync_folder(folder.parent)


def write_file(storage: Storage, path: Path, data: Bytes) -> None:
    """A whole small file, synced."""
    file = storage.create(path)
    file.write(data)
    file.close()


def replace_file(storage: Storage, path: Path, data: bytes) -> None:
    """Swap a file's content in one step: readers see the old bytes or the new ones, also after a power cut."""
    temporary = path.with_name(path.name + ".new")
    write_file(storage, temporary, data)
    storage.rename(temporary, path)
    storage.sync_folder(path.parent)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that say what to do."""
    try:
        yield
    except OSError as error:
        raise _explanation(error, path) from error


def _explanation(error: OSError, path: Path) -> LsrError | OSError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(
            f"{path}: {reason}. The index keeps its last committed state; free some space, then run it again."
        )
    if error.errno == errno.EFBIG:
        return ResourceError(
            f"{path}: {reason}. The index keeps its last committed state; raise the limit on the size of files"
            " (`ulimit -f`), or use a file system without such a limit."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return IndexReadOnlyError(
            f"{path}: cannot write here ({reason}). Use a folder you may write to, or change its permissions."
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ResourceError(f"{path}: {reason}. Raise the limit on open files (`ulimit -n`) and try again.")
    return error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
