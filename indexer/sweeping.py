"""Removing what no manifest names: left by a crash, or replaced by a commit.

Only the writer sweeps, and only below the names an index owns. Readers that still use a removed file hold it
open.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lsr.indexer.locking import LOCK_NAME
from lsr.indexer.manifest import MANIFEST_NAME, Manifest
from lsr.indexer.storage import Storage

BUILDING_NAME = "building"
TEMPORARY_MANIFEST = f"{MANIFEST_NAME}.new"
OWN_NAMES = frozenset({MANIFEST_NAME, TEMPORARY_MANIFEST, "segments", "commits", BUILDING_NAME, LOCK_NAME})


def sweep(storage: Storage, index: Path, manifest: Manifest, *, spared: Collection[str] = ()) -> None:
    """Remove every segment, commit file and temporary file that the manifest does not name.

    spared: ids of segments being written; a merge in another thread may add some meanwhile
    """
    storage.remove(index / TEMPORARY_MANIFEST)
    named = {file.path for file in manifest.files()}
    folders = {path.rsplit("/", 1)[0] for path in named}
    for parent in ("segments", "commits"):
        listed = _listed(index / parent)
        # After the listing: an id is spared before its folder is made, so none that was listed is missed.
        kept = {f"segments/{segment_id}" for segment_id in set(spared)}
        for folder in listed:
            if f"{parent}/{folder.name}" in kept:
                continue
            if f"{parent}/{folder.name}" not in folders:
                storage.remove(folder)
                continue
            for file in _listed(folder):
                if f"{parent}/{folder.name}/{file.name}" not in named:
                    storage.remove(file)


def highest_number(folder: Path) -> int:
    """The largest number among a folder's names, 0 if there is none: new names are never reused ones."""
    return max((int(path.name) for path in _listed(folder) if path.name.isdecimal()), default=0)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
