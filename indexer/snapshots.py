"""Snapshots: a second folder with the same files, by hard links, and the way back.

    snapshot(index, target)        # beside readers and a writer; target is an index like any other
    restore(source, index)         # the source's documents become the newest generation of index

A snapshot costs a directory entry a file, because files never change; where the file system has no links, or
the target lies on another one, files are copied. ``restore`` takes any index as its source, so it also puts an
index that was built aside (with another model, say) in the place of the one that is being served.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lsr.indexer.aliases import followed, locked
from lsr.indexer.beginning import check_folder
from lsr.indexer.building import building_folder
from lsr.indexer.checksums import check_file
from lsr.indexer.committing import begin_generation, end_generation, next_manifest
from lsr.indexer.manifest import (
    MANIFEST_NAME,
    Deletions,
    FieldEntry,
    FileEntry,
    Manifest,
    SegmentEntry,
    read_manifest,
    write_manifest,
)
from lsr.indexer.storage import FileStorage, Storage, make_place
from lsr.indexer.sweeping import highest_number, sweep

from lsr.errors import (
    IndexCorruptError,
    IndexExistsError,
    IndexFormatError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidArgumentError,
    LsrError,
)

T = TypeVar("T")

MOST_GENERATIONS = 20
"""How often to begin again with a newer generation."""


def snapshot(index: Path | str, target: Path | str, *, storage: Storage | None = None) -> int:
    """Keep the newest generation in a folder of its own; returns the generation.

    The target must not exist; it appears under its name when it is complete.
    Raises IndexNotFoundError, an IndexFormatError, IndexExistsError, InvalidArgumentError for a target inside
    the index, IndexLockedError where commits always come before the links are made.
    """
    source, place, files = followed(index), Path(target), storage or FileStorage()
    if place.is_symlink() and not place.exists():
        raise IndexExistsError(
            f"{place}: a link of this name is in the way, and nothing is where it points. Remove the link, or"
            " give the snapshot a name of its own."
        )
    if place.exists():
        raise IndexExistsError(f"{place}: exists already; give the snapshot a name of its own.")
    if source.resolve() in place.resolve().parents:
        raise InvalidArgumentError(
            f"{place}: lies inside the index, where the next writer would sweep it; choose a place beside it.",
            field="target",
        )
    partial = _partial(place)
    files.remove(partial)
    make_place(files, partial)
    try:
        manifest = _newest(source, lambda wanted: _link_all(files, source, partial, wanted))
    except LsrError:
        files.remove(partial)
        raise
    write_manifest(files, partial, manifest)
    files.rename(partial, place)
    files.sync_folder(place.parent)
    return manifest.generation


def forget(target: Path | str, *, storage: Storage | None = None) -> None:
    """Remove a snapshot, in one step as far as its name goes; one that is gone already is fine.

    What a crash leaves is removed by the next ``snapshot`` or ``forget`` of the name.
    """
    place, files = Path(target), storage or FileStorage()
    files.remove(_partial(place))
    if place.exists():
        files.rename(place, _partial(place))
        files.remove(_partial(place))


def _partial(place: Path) -> Path:
    return place.with_name(place.name + ".partial")


def restore(source: Path | str, index: Path | str, *, storage: Storage | None = None) -> int:
    """Make another index's newest generation that of ``index``, which may be damaged or missing; returns its
    number.

    Every file is checked first. Readers of ``index`` go on and see a newer generation. Its uncommitted changes
    and what was committed since are gone; so no writer may be open there. The source may be written to.
    Raises IndexNotFoundError, IndexCorruptError (naming a bad file of the source), IndexExistsError for a place
    with other files and no index, IndexLockedError for an index with a writer, or a source whose generations
    are replaced before they are read.
    """
    origin, place, files = followed(source), followed(index), storage or FileStorage()
    checked = _newest(origin, lambda wanted: _sound(origin, wanted))
    if not (place / MANIFEST_NAME).exists():
        check_folder(place)  # whoever writes here sweeps segments/ and commits/, which may be somebody else's
    make_place(files, place)
    place, lock = locked(index)

    def adopt(wanted: Manifest) -> Manifest:
        sound = wanted if wanted == checked else _sound(origin, wanted)
        if _present(place) is None:  # nobody knows its generations, and what was staged for one could fit anew
            files.remove(building_folder(place))
        return adopt_generation(files, origin, place, sound)

    try:
        return _newest(origin, adopt).generation
    finally:
        lock.release()


def adopt_generation(storage: Storage, origin: Path, index: Path, wanted: Manifest) -> Manifest:
    """Link a generation of another index into ``index`` as its newest; the caller holds the lock."""
    manifest = _Restoring(storage, origin, index, wanted).write(_present(index))
    write_manifest(storage, index, manifest)
    storage.sync_folder(index.parent)
    sweep(storage, index, manifest)
    return manifest


def _newest(source: Path, action: Callable[[Manifest], T]) -> T:
    """Do something with the files of the newest generation; over again whenever a writer has replaced it
    meanwhile, for then they may be gone. Raises IndexLockedError where writers are always faster.
    """
    manifest = read_manifest(source)
    for _ in range(MOST_GENERATIONS):
        try:
            return action(manifest)
        except (FileNotFoundError, IndexCorruptError) as error:
            newer = read_manifest(source)
            if newer == manifest and isinstance(error, FileNotFoundError):
                raise IndexCorruptError(
                    f"{error.filename}: the manifest names this file, but it is missing."
                    " Find what else is wrong with `lsr verify`."
                ) from error
            if newer == manifest:
                raise
            manifest = newer
    raise IndexLockedError(
        f"{source}: is written to faster than its files can be read: {MOST_GENERATIONS} generations were"
        " replaced before they were. Try again when fewer commits are made; to restore it elsewhere, take a"
        " snapshot first and restore that."
    )


def _sound(origin: Path, manifest: Manifest) -> Manifest:
    """The same, after its files were read and found as they should be."""
    try:
        for entry in manifest.files():
            check_file(origin, entry)
    except IndexCorruptError as error:
        raise IndexCorruptError(
            f"{str(error).removesuffix('.')}. Nothing was restored; take another snapshot."
            f" `lsr verify {origin}` finds what else is wrong with this one."
        ) from error
    return manifest


def _link_all(storage: Storage, source: Path, target: Path, manifest: Manifest) -> Manifest:
    for name in ("segments", "commits"):
        storage.remove(target / name)  # of a generation that was replaced meanwhile
    folders = set()
    for entry in manifest.files():
        path = target / entry.path
        if path.parent not in folders:
            storage.make_folder(path.parent)
            folders.add(path.parent)
        storage.link(source / entry.path, path)
    for folder in (*folders, *{folder.parent for folder in folders}, target):
        storage.sync_folder(folder)
    return manifest


def _present(index: Path) -> Manifest | None:
    try:
        return read_manifest(index)
    except (IndexFormatError, IndexNotFoundError):
        return None


class _Restoring:
    """Links a generation into an index under names that are new there."""

    def __init__(self, storage: Storage, origin: Path, index: Path, wanted: Manifest) -> None:
        self._storage = storage
        self._origin = origin
        self._index = index
        self._wanted = wanted

    def write(self, present: Manifest | None) -> Manifest:
        base = self._wanted
        if present is not None:
            base = replace(
                base,
                generation=max(base.generation, present.generation),
                next_number=max(base.next_number, present.next_number),
                next_segment=max(base.next_segment, present.next_segment),
            )
        generation, folder = begin_generation(self._storage, self._index, base)
        first = max(base.next_segment, highest_number(self._index / "segments") + 1)
        fields = [self._field(entry, folder) for entry in base.fields]
        segments = [
            self._segment(entry, f"{number:08d}", folder)
            for number, entry in enumerate(base.segments, start=first)
        ]
        if segments:
            self._storage.sync_folder(self._index / "segments")
        end_generation(self._storage, self._index, folder)
        return next_manifest(base, generation, fields, segments)

    def _field(self, entry: FieldEntry, folder: Path) -> FieldEntry:
        files = tuple(
            self._linked(file, folder / f"{entry.name}.vocabulary-{at}.arr")
            for at, file in enumerate(entry.vocabulary_files)
        )
        table = entry.query_table
        if table is not None:
            table = self._linked(table, folder / f"{entry.name}.query-table.arr")
        return replace(entry, vocabulary_files=files, query_table=table)

    def _segment(self, entry: SegmentEntry, new_id: str, folder: Path) -> SegmentEntry:
        place = self._index / "segments" / new_id
        self._storage.make_folder(place)
        files = tuple(self._linked(file, place / Path(file.path).name) for file in entry.files)
        self._storage.sync_folder(place)
        return replace(entry, id=new_id, files=files, deletions=self._deletions(entry, new_id, folder))

    def _deletions(self, entry: SegmentEntry, new_id: str, folder: Path) -> Deletions | None:
        if entry.deletions is None:
            return None
        files = tuple(
            self._linked(file, folder / (new_id + Path(file.path).name.removeprefix(entry.id)))
            for file in entry.deletions.files
        )
        return replace(entry.deletions, files=files)

    def _linked(self, file: FileEntry, target: Path) -> FileEntry:
        self._storage.remove(target)
        self._storage.link(self._origin / file.path, target)
        return replace(file, path=target.relative_to(self._index).as_posix())
