"""A name that stands for an index and can be made to stand for another one in one step.

    point("live", "index-2026")      # live now names index-2026; returns what it named before
    target("live")                   # the index it names

An alias is a symbolic link to the index's folder, so every command, reader and writer takes it in place of the
folder, and ``ls -l`` shows what it means. Whoever opens an index through an alias follows it once, at open, and
never mixes two indexes; ``Collection.refresh`` follows it again, so a server goes over to the new index by
itself while searches under way end on the old one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lsr.indexer.locking import LOCK_NAME, WriterLock
from lsr.indexer.manifest import MANIFEST_NAME, read_manifest
from lsr.indexer.storage import FileStorage, Storage

from lsr.errors import IndexExistsError, IndexNotFoundError, InvalidArgumentError


def followed(path: Path | str) -> Path:
    """The folder that a path means: what an alias names, any other path as it is.

    Raises IndexNotFoundError for links that lead in a circle.
    """
    place = Path(path)
    if not place.is_symlink():
        return place
    end = _end(place)
    if end is None:
        raise IndexNotFoundError(
            f"{place}: links that lead in a circle. Point it at an index with `lsr alias {place} INDEX`."
        )
    return end


def target(alias: Path | str) -> Path:
    """The index that an alias names, as an absolute path.

    Raises IndexNotFoundError for what is no alias, and for links in a circle.
    """
    place = Path(alias)
    if not place.is_symlink():
        what = "is a folder of its own" if place.exists() else "is not there"
        raise IndexNotFoundError(f"{place}: {what}, not an alias. Make one with `lsr alias {place} INDEX`.")
    return followed(place)


def require_free(alias: Path) -> None:
    """Raise IndexExistsError if something else than an alias has this name; InvalidArgumentError if the folder
    that is to hold it is missing.
    """
    if not alias.parent.is_dir():
        raise InvalidArgumentError(
            f"{alias}: there is no folder {alias.parent} to hold the alias; make it first, or choose another"
            " place",
            field="alias",
        )
    if alias.exists() and not alias.is_symlink():
        raise IndexExistsError(f"{alias}: something else has this name. Choose another name for the alias.")


def point(
    alias: Path | str,
    index: Path | str,
    *,
    finishing: Callable[[], object] = lambda: None,
    storage: Storage | None = None,
) -> Path | None:
    """Make an alias name an index; returns the one it named before. Readers see the one or the other.

    finishing: done before the swap, while nobody can write to the index that the alias named
    Raises IndexNotFoundError or an IndexFormatError for a target that is no index, IndexExistsError or
    InvalidArgumentError for a name that cannot be had, IndexLockedError while somebody writes to the index that
    the alias named: what they write there after the swap would be missing in the new one.
    """
    place, chosen, files = Path(alias), Path(index).resolve(), storage or FileStorage()
    read_manifest(chosen)
    require_free(place)
    while True:
        before = _named(place)
        with _nobody_writing(before if before != chosen else None):
            finishing()
            if _named(place) != before:
                continue  # swapped before its index was locked: that of another index has to be held
            files.point(place, Path(os.path.relpath(chosen, place.parent.resolve())))
            files.sync_folder(place.parent)
            return before


def locked(path: Path | str) -> tuple[Path, WriterLock]:
    """The folder that a path means, and its lock. Once it is held, the alias is swapped by nobody.

    Raises IndexLockedError; IndexNotFoundError if there is no such folder.
    """
    while True:
        folder = followed(path)
        lock = WriterLock(folder)
        if followed(path) == folder:
            return folder, lock
        lock.release()  # swapped meanwhile: what is written here would be missing behind the alias


def _named(alias: Path) -> Path | None:
    return _end(alias) if alias.is_symlink() else None


def _end(link: Path) -> Path | None:
    """Where a link leads in the end; None if it leads in a circle."""
    try:
        end = link.resolve()
    except RuntimeError:  # before Python 3.13, where the link itself comes back
        return None
    return None if end.is_symlink() else end


@contextlib.contextmanager
def _nobody_writing(index: Path | None) -> Iterator[None]:
    used = (MANIFEST_NAME, LOCK_NAME)  # the second alone where an index is built for the first time
    if index is None or not any((index / name).exists() for name in used):
        yield
        return
    lock = WriterLock(index)
    try:
        yield
    finally:
        lock.release()
