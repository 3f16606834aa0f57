"""Changes kept on disk before they are committed: several commands prepare them, one commit shows them.

    with CollectionWriter.open(path) as writer:
        writer.add(documents, vectors)
        writer.stage()                       # durable, but no reader sees it
    with CollectionWriter.open(path) as writer:  # another day, another process: goes on from there
        writer.delete(ids)
        writer.commit()

``building/staged.json`` names the shards of added documents and, for each segment or shard that lost documents,
a bitmap of those that are alive. It is replaced as a whole, so an interrupted ``stage`` leaves the one before.
It belongs to one generation: whatever commits another one (``restore``, ``lsr index --overwrite``) ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lsr.indexer.aliases import followed, locked
from lsr.indexer.arrays import SUFFIX, open_array, write_array
from lsr.indexer.building import Shard, ShardEntry, building_folder, read_ledger, shard_entry
from lsr.indexer.checksums import check_file, file_entry, sealed, unsealed
from lsr.indexer.committing import KeptSegment
from lsr.indexer.manifest import FileEntry, read_manifest
from lsr.indexer.rows import BoolArray, n_live
from lsr.indexer.storage import FileStorage, Storage, replace_file
from lsr.indexer.tombstones import live_mask, to_words

from lsr.errors import IndexCorruptError, UnfinishedBuildError

STAGED_NAME = "staged.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class StagedChanges:
    """What waits for a commit.

    generation: the one it changes
    added:      documents it brings, new ones and new versions
    removed:    documents of the generation that it deletes or replaces
    shards:     where the added documents lie
    bitmaps:    what is alive of a segment (``segment-<id>``) or a shard (``shard-<id>``), where not all is
    serial:     of this stage among those of the generation
    """

    generation: int
    added: int
    removed: int
    shards: tuple[ShardEntry, ...] = ()
    bitmaps: Mapping[str, FileEntry] = field(default_factory=dict)
    serial: int = 0
    format: int = _FORMAT

    def live(self, folder: Path, name: str, n_documents: int) -> BoolArray | None:
        """Which documents of a segment or shard are alive; None if the stage changed nothing there."""
        entry = self.bitmaps.get(name)
        if entry is None:
            return None
        _check(folder, entry)
        words = open_array(folder / entry.path)
        if len(words) != -(-n_documents // 64):
            raise _unreadable(folder / entry.path, "it does not fit its segment")
        return live_mask(words.astype("<u8"), n_documents)


def write_staged(
    storage: Storage,
    index: Path,
    before: StagedChanges | None,
    *,
    generation: int,
    shards: Sequence[Shard],
    kept: Sequence[KeptSegment],
) -> StagedChanges:
    """Make the state of a writer durable. Its shards are so already."""
    folder = building_folder(index)
    serial = 1 if before is None else before.serial + 1
    place = _bitmap_folder(folder, serial)
    storage.remove(place)
    storage.make_folder(place)
    masks = {f"segment-{item.entry.id}": item.live for item in kept if item.changed}
    masks |= {f"shard-{shard.entry.id}": shard.live for shard in shards if shard.live is not None}
    bitmaps = {}
    for name, live in masks.items():
        path = place / (name + SUFFIX)
        bitmaps[name] = file_entry(path, folder, write_array(storage, path, to_words(live)))
    for changed in (place, folder, index):
        storage.sync_folder(changed)
    staged = StagedChanges(
        generation=generation,
        added=sum(n_live(shard) for shard in shards),
        removed=sum(item.entry.n_live - int(item.live.sum()) for item in kept),
        shards=tuple(shard.entry for shard in shards),
        bitmaps=bitmaps,
        serial=serial,
    )
    replace_file(storage, folder / STAGED_NAME, sealed(asdict(staged)))
    if before is not None:
        storage.remove(_bitmap_folder(folder, before.serial))
    return staged


def read_staged(index: Path, generation: int) -> StagedChanges | None:
    """What waits for a commit on top of a generation; None if nothing does. Raises IndexCorruptError."""
    path = building_folder(index) / STAGED_NAME
    try:
        body = unsealed(path.read_bytes())
        if body["format"] != _FORMAT:
            raise ValueError(f"its format is {body['format']}, not {_FORMAT}")
        staged = StagedChanges(
            generation=int(body["generation"]),
            added=int(body["added"]),
            removed=int(body["removed"]),
            shards=tuple(shard_entry(item) for item in body["shards"]),
            bitmaps={str(name): FileEntry(**entry) for name, entry in body["bitmaps"].items()},
            serial=int(body["serial"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, str(error)) from error
    return staged if staged.generation == generation else None


def open_shards(index: Path, staged: StagedChanges) -> list[Shard]:
    """The staged documents, checked. Raises IndexCorruptError, naming a damaged file."""
    folder = building_folder(index)
    shards = []
    for entry in staged.shards:
        for file in entry.files:
            _check(folder, file)
        shard = Shard(folder, entry)
        live = staged.live(folder, f"shard-{entry.id}", entry.n_documents)
        if live is not None:
            shard.keep(live)
        shards.append(shard)
    return shards


def discard_staged(index: Path | str, *, storage: Storage | None = None) -> StagedChanges | None:
    """Forget what waits for a commit, readable or not; returns what it was, if it can be told.

    Raises IndexNotFoundError, IndexLockedError.
    """
    read_manifest(followed(index))
    files = storage or FileStorage()
    folder, lock = locked(index)
    try:
        try:
            staged = read_staged(folder, read_manifest(folder).generation)
        except IndexCorruptError:
            staged = None
        if (building_folder(folder) / STAGED_NAME).exists():
            files.remove(building_folder(folder))
            files.sync_folder(folder)
    finally:
        lock.release()
    return staged


def require_no_build(index: Path, generation: int) -> None:
    """Raise UnfinishedBuildError if an unfinished ``lsr index`` has the place where changes would wait.

    One of another generation is over: it was committed, and the process ended before it was cleared away.
    """
    build = read_ledger(building_folder(index))
    if build is not None and build.generation == generation:
        raise UnfinishedBuildError(
            f"{index}: an unfinished build is in the way, and changes would undo it. Repeat the command it was"
            f" begun with and `--resume`, or give it up by removing {building_folder(index)}."
        )


def _check(folder: Path, file: FileEntry) -> None:
    try:
        check_file(folder, file)
    except IndexCorruptError as error:
        raise IndexCorruptError(f"{str(error).removesuffix('.')}. {_DISCARD}") from error


def _bitmap_folder(folder: Path, serial: int) -> Path:
    return folder / f"staged-{serial:06d}"


def _unreadable(path: Path, problem: str) -> IndexCorruptError:
    return IndexCorruptError(f"{path}: the staged changes cannot be read ({problem}). {_DISCARD}")


_DISCARD = "Discard them with `lsr commit --discard`; the index itself is as it was."
