"""Names for what decides an encoder's vectors, so that cached vectors are never another model's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from lsr.indexer.fields import QueryTable


def identity_of(composition: Mapping[str, object], files: Mapping[str, Iterable[Path | QueryTable]]) -> str:
    """SHA-256, in hex, over canonical JSON of the composition and the contents of each side's files.

    Files count by name and content, not by folder, so a copied model keeps its identity.
    """
    digests = {side: sorted((each.name, _digest(each)) for each in those) for side, those in files.items()}
    canonical = json.dumps(
        {"composition": composition, "files": digests},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _digest(file: Path | QueryTable) -> str:
    return file_sha256(file) if isinstance(file, Path) else hashlib.sha256(file.content).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256, in hex, of a file; read again only when its size or time changed."""
    status = path.stat()
    return _sha256(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(path: str, size: int, modified_ns: int) -> str:  # noqa: ARG001 - they are the cache's key
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
