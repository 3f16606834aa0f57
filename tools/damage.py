"""Ways to damage a file of an index, for tools/fuzz.py.

A kind takes a file's bytes and returns others. Those for array files change the values and make the header fit
them again, so that what reads the values meets the damage.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lsr.indexer.arrays import HEADER_BYTES, SUFFIX, TAIL_BYTES
from lsr.indexer.checksums import file_entry
from lsr.indexer.locking import LOCK_NAME
from lsr.indexer.manifest import MANIFEST_NAME, manifest_checksum
from lsr.indexer.staging import STAGED_NAME

from lsr.errors import LsrError

Kind = Callable[[bytes, random.Random], bytes]

# Files that name others, with a checksum of each and one of their own.
NAMING = (MANIFEST_NAME, STAGED_NAME)

# Values at which sizes and signs change.
BOUNDARIES = (0, 1, 2, 63, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
ITEM_BYTES = (0, 1, 2, 4, 8, 8, 2, 4, 8)  # by the type code of a header


def damage(index: Path, rng: random.Random) -> tuple[Callable[[], None], str]:
    """Change one file of the index, sometimes two; returns how to mend it, and what was done.

    In half of the cases the checksums by which the manifest names the files are made to fit.
    """
    files = sorted(path for path in index.rglob("*") if path.is_file() and path.name != LOCK_NAME)
    chosen = rng.sample(files, rng.choice((1, 1, 1, 2)))
    naming = [path for path in files if path.name in NAMING]
    before = {path: path.read_bytes() for path in {*chosen, *naming}}
    said = []
    for path in chosen:
        kind = _kind_for(path, rng)
        _replace(path, kind(before[path], rng))
        said.append(f"{kind.__name__} {path.relative_to(index)}")
    if rng.random() < 0.5 and not set(naming) & set(chosen):
        for path in naming:
            _replace(path, resealed(path, chosen))
        said.append("resealed")

    def mend() -> None:
        for path, whole in before.items():
            _replace(path, whole)

    return mend, ", ".join(said)


def resealed(naming: Path, changed: list[Path]) -> bytes:
    """A file that names others, with the sizes and checksums that those have now."""
    body = json.loads(naming.read_bytes())
    for entry in _parts(body):
        path = naming.parent / str(entry.get("path")) if isinstance(entry, dict) else None
        if path in changed:
            try:
                now = file_entry(path, naming.parent)
            except LsrError:
                continue  # a file that contradicts itself has no checksum
            entry |= {"bytes": now.bytes, "checksum": now.checksum}
    return _sealed(body)


def _kind_for(path: Path, rng: random.Random) -> Kind:
    if path.suffix == SUFFIX:
        return rng.choice((flipped, flipped, bounded, bounded, bounded, cut, grown, swapped, filled, torn))
    if path.name in NAMING:
        return rng.choice((renumbered, renumbered, renumbered, torn))
    return rng.choice((flipped_anywhere, torn))


def flipped(whole: bytes, rng: random.Random) -> bytes:
    data, put_back = _data_of(whole)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return put_back(data)


def bounded(whole: bytes, rng: random.Random) -> bytes:
    """Values at which sizes, signs and counts change, in place of some."""
    data, put_back = _data_of(whole)
    size = _item_bytes(whole)
    for _ in range(rng.choice((1, 2, 8))):
        if len(data) >= size:
            at = rng.randrange(len(data) // size) * size
            value = rng.choice((*BOUNDARIES, len(data) // size, len(data), -1, -2))
            data[at : at + size] = (value % 256**size).to_bytes(size, "little")
    return put_back(data)


def swapped(whole: bytes, rng: random.Random) -> bytes:
    data, put_back = _data_of(whole)
    size = _item_bytes(whole)
    if len(data) >= 2 * size:
        one, other = (rng.randrange(len(data) // size) * size for _ in range(2))
        data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]
    return put_back(data)


def filled(whole: bytes, rng: random.Random) -> bytes:
    data, put_back = _data_of(whole)
    return put_back(bytearray([rng.choice((0, 1, 127, 128, 255))]) * len(data))


def cut(whole: bytes, rng: random.Random) -> bytes:
    data, put_back = _data_of(whole)
    size = _item_bytes(whole)
    return put_back(data[: rng.randrange(len(data) // size + 1) * size])


def grown(whole: bytes, rng: random.Random) -> bytes:
    data, put_back = _data_of(whole)
    return put_back(data + rng.randbytes(rng.randrange(1, 9) * _item_bytes(whole)))


def torn(whole: bytes, rng: random.Random) -> bytes:
    return whole[: rng.randrange(len(whole) + 1)]


def flipped_anywhere(whole: bytes, rng: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(rng.choice((1, 3, 20))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def renumbered(whole: bytes, rng: random.Random) -> bytes:
    """A number of a manifest is another one; its checksum fits."""
    body = json.loads(whole)
    pairs = ((part, part.items() if isinstance(part, dict) else enumerate(part)) for part in _parts(body))
    places = [(part, key) for part, inner in pairs for key, value in inner if type(value) in (int, float)]
    holder, key = rng.choice(places)
    holder[key] = rng.choice((*BOUNDARIES, holder[key] + 1, max(0, holder[key] - 1), -1, 0.5))
    return _sealed(body)


def _parts(body: object) -> Iterator[Any]:
    """All objects and lists in a JSON value."""
    if isinstance(body, dict | list):
        yield body
        for inner in body.values() if isinstance(body, dict) else body:
            yield from _parts(inner)


def _sealed(body: dict[str, object]) -> bytes:
    return json.dumps(body | {"checksum": manifest_checksum(body)}).encode()


def _item_bytes(whole: bytes) -> int:
    return ITEM_BYTES[struct.unpack_from("<I", whole, 12)[0]]


def _data_of(whole: bytes) -> tuple[bytearray, Callable[[bytearray], bytes]]:
    """An array file's values, and how to make a file of others: with a header that announces them."""

    def put_back(data: bytearray) -> bytes:
        head = bytearray(whole[:HEADER_BYTES])
        struct.pack_into("<Q", head, 16, len(data) // _item_bytes(whole))
        struct.pack_into("<I", head, 24, zlib.crc32(data))
        struct.pack_into("<I", head, 28, zlib.crc32(head[:28]))
        return bytes(head) + bytes(data) + bytes(TAIL_BYTES)

    return bytearray(whole[HEADER_BYTES:-TAIL_BYTES]), put_back


def _replace(path: Path, content: bytes) -> None:
    """A new file of this name: what is mapped of the old one stays as it is."""
    other = path.with_name(path.name + ".fuzz")
    other.write_bytes(content)
    other.replace(path)
