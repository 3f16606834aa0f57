"""Rewriting an index of an older format in the current one.

    upgrade(index)      # UpgradeReport(before=0, after=1, ...); before == after: there was nothing to do

A migration turns a whole index of version n into one of version n + 1 in another folder; ``MIGRATIONS`` has one
for each version, and they run one after the other. What comes out is verified, then linked into the index under
new names, and writing the manifest makes it the newest generation: until then the old index is as it was.

A migration knows the two versions it lies between and nothing of later ones, so it need not be touched again.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lsr.indexer.aliases import followed, locked
from lsr.indexer.arrays import HEADER_BYTES, MAGIC, SUFFIX
from lsr.indexer.building import building_folder
from lsr.indexer.manifest import (
    FORMAT,
    MANIFEST_NAME,
    check_manifest,
    manifest_checksum,
    read_format,
    read_manifest,
    require_readable,
)
from lsr.indexer.snapshots import adopt_generation
from lsr.indexer.storage import FileStorage, Storage, write_file
from lsr.indexer.verify import verify_index

from lsr.errors import IndexCorruptError, IndexTooOldError

Migration = Callable[[Storage, Path, Path], None]
"""(storage, index of version n, new folder): writes the index there in version n + 1."""

_OWN_PATH = re.compile(r"(segments|commits)/[0-9]+/[^/]+")
SCRATCH_NAME = "upgrade"  # in building/
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """before, after: format versions; the same if there was nothing to do. generation: the newest."""

    path: str
    before: int
    after: int
    generation: int


def upgrade(index: Path | str, *, storage: Storage | None = None) -> UpgradeReport:
    """Rewrite an index in the current format, if it is in an older one. Needs its size on disk once more.

    Readers of an older release go on with what they have open. Documents that are not committed are forgotten.
    Raises IndexNotFoundError, IndexLockedError, IndexTooNewError, IndexTooOldError if there is no way from its
    version, IndexCorruptError if what is there is damaged.
    """
    files = storage or FileStorage()
    read_format(followed(index))
    folder, lock = locked(index)
    try:
        before = read_format(folder)
        if before >= FORMAT:
            require_readable(before, folder / MANIFEST_NAME)
            return UpgradeReport(str(index), before, before, read_manifest(folder).generation)
        scratch = building_folder(folder) / SCRATCH_NAME
        files.remove(scratch)
        migrated = _migrated(files, folder, scratch, before)
        manifest = adopt_generation(files, migrated, folder, read_manifest(migrated))
        files.remove(building_folder(folder))
    finally:
        lock.release()
    return UpgradeReport(str(index), before, FORMAT, manifest.generation)


def _migrated(storage: Storage, index: Path, scratch: Path, version: int) -> Path:
    """The index in the current format, in a folder below ``scratch``, checked."""
    source = index
    for number in range(version, FORMAT):
        if number not in MIGRATIONS:
            raise IndexTooOldError(
                f"{index}: index format {version}, and this release has no way on from {number}."
                " Upgrade with an earlier release first, or build the index again with `lsr index --overwrite`."
            )
        target = scratch / str(number + 1)
        storage.make_folder(target)
        MIGRATIONS[number](storage, source, target)
        source = target
    report = verify_index(source)
    if not report.sound:
        raise IndexCorruptError(
            f"{index}: what came out of the upgrade is not sound ({report.problems[0].message})."
            " The index is as it was; restore it from a snapshot, or build it again."
        )
    return source


# Version 0 to 1: the layout was declared final; headers and manifest got the new number.


def _from_0_to_1(storage: Storage, source: Path, target: Path) -> None:
    path = source / MANIFEST_NAME
    body = json.loads(path.read_bytes())
    check_manifest(body, path)
    for name in _file_names(body):
        storage.make_folder((target / name).parent)
        if name.endswith(SUFFIX):
            _renumber_array(storage, source / name, target / name)
        else:
            storage.link(source / name, target / name)
    body["format"] = 1
    body["checksum"] = manifest_checksum(body)
    write_file(storage, target / MANIFEST_NAME, json.dumps(body, ensure_ascii=False, indent=1).encode())


def _file_names(body: Mapping[str, object]) -> Iterator[str]:
    """Every path of an old manifest: whatever is an object with a path below the index, at any depth."""
    pending: list[object] = [body.get("fields"), body.get("segments")]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            path = part.get("path")  # an encoder's facts may hold another one
            if isinstance(path, str) and _OWN_PATH.fullmatch(path):
                yield path
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def _renumber_array(storage: Storage, source: Path, target: Path) -> None:
    with source.open("rb") as file:
        head = bytearray(file.read(HEADER_BYTES))
        if (
            len(head) < HEADER_BYTES
            or head[:8] != MAGIC
            or struct.unpack_from("<I", head, 28)[0] != zlib.crc32(head[:28])
        ):
            raise IndexCorruptError(f"{source}: its header is damaged. Restore the index from a snapshot.")
        struct.pack_into("<I", head, 8, 1)
        struct.pack_into("<I", head, 28, zlib.crc32(head[:28]))
        written = storage.create(target)
        written.write(bytes(head))
        while chunk := file.read(_COPY_BYTES):
            written.write(chunk)
        written.close()


MIGRATIONS: Mapping[int, Migration] = {0: _from_0_to_1}
