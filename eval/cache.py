"""Vectors kept between runs, so that a text is encoded once for each model, not once for each experiment.

A vector's key is the encoder's identity, the side (query or document) and the exact text; nothing else decides
it, so entries never go stale. One append-only file for each identity and side:

    64 bytes    magic, version, vocabulary size, SHA-256 over identity and side
    blocks      magic, rows, non-zeros, CRC-32 of the payload, CRC-32 of this header;
                then of each row key (16 bytes), non-zeros (u32), flags (u32); all terms (u32) and weights (f32)

A writer killed in the middle leaves a torn last block; readers stop before it and the next writer cuts it off.
Blocks whose bytes were changed are noticed by their checksum and encoded again. Several processes may share a
folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from lsr.errors import ResourceError
from lsr.vectors import SparseVectors

logger = logging.getLogger(__name__)

Side = Literal["query", "document"]
Encode = Callable[[Sequence[str]], tuple[SparseVectors, npt.NDArray[np.bool_]]]

DEFAULT_MAX_BYTES = 20 * 2**30
ROWS_A_BLOCK = 4096  # what an interruption loses at most; some 10 s of encoding with a small model
_TRUNCATED = 1  # a row's flag: the text was longer than the encoder reads

_VERSION = 1
_FILE_HEADER = struct.Struct("<8sII32s16x")
_FILE_MAGIC = b"LSRVEC\0\0"
_BLOCK_HEADER = struct.Struct("<4sIQIIQ")
_BLOCK_MAGIC = b"BLCK"
_KEY = np.dtype([("high", "<u8"), ("low", "<u8")])

KeyArray = npt.NDArray[np.void]
Int64Array = npt.NDArray[np.int64]


def default_cache_folder() -> Path:
    """``$XDG_CACHE_HOME/lsr/vectors``, where the variable is unset ``~/.cache/lsr/vectors``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lsr" / "vectors"


@dataclass(frozen=True, slots=True)
class CachedBatch:
    """Vectors of a list of texts, in its order, and what getting them took.

    truncated: bool, shape (n,): the text was longer than the encoder reads
    n_found:   how many of the texts were in the cache
    """

    vectors: SparseVectors
    truncated: npt.NDArray[np.bool_]
    n_found: int


class VectorCache:
    """A folder of vector files, kept below ``max_bytes`` by removing the files used longest ago."""

    def __init__(self, folder: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._files: dict[bytes, _VectorFile] = {}

    def vectors(
        self, identity: str, side: Side, texts: Sequence[str], encode: Encode, vocabulary_size: int
    ) -> CachedBatch:
        """Vectors of ``texts``: those known from the file, the others through ``encode``, which are then kept.

        Raises ResourceError if the folder cannot be written.
        """
        keys = _keys(texts)
        file = self._file(identity, side, vocabulary_size)
        blocks, rows = file.find(keys)
        known = np.flatnonzero(blocks >= 0)
        _, first, source = np.unique(keys, return_index=True, return_inverse=True)
        missing = np.sort(first[blocks[first] < 0])
        parts = [file.read(blocks[known], rows[known])]
        for start in range(0, len(missing), ROWS_A_BLOCK):
            chosen = missing[start : start + ROWS_A_BLOCK]
            parts.append(encode([texts[at] for at in chosen]))
            file.append(keys[chosen], *parts[-1])
        if len(missing):
            self._make_room(file.path)
        place = np.zeros(len(texts), np.int64)
        place[np.concatenate([known, missing])] = np.arange(len(known) + len(missing))
        place = place[first[source]]  # a text that occurs twice was asked for once
        vectors = SparseVectors.concatenate([vectors for vectors, _ in parts]).take(place)
        truncated = np.concatenate([truncated for _, truncated in parts])[place]
        return CachedBatch(vectors, truncated, len(known))

    def _file(self, identity: str, side: Side, vocabulary_size: int) -> _VectorFile:
        digest = hashlib.sha256(f"{side}\0{identity}".encode()).digest()
        path = self.folder / f"{digest.hex()[:32]}-{side}.vectors"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if digest not in self._files:
                self._files[digest] = _VectorFile(path, digest, vocabulary_size)
            self._files[digest].look()
        except OSError as error:
            raise ResourceError(
                f"{path}: the vector cache cannot be written ({error.strerror}); name another folder with"
                " --cache, or go without with --no-cache"
            ) from error
        return self._files[digest]

    def _make_room(self, in_use: Path) -> None:
        """Remove the files used longest ago until the folder is small enough; never the one in use."""
        files = sorted(
            (path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob("*.vectors")
        )
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self.max_bytes:
                return
            if path != in_use:
                path.unlink(missing_ok=True)
                total -= size
                logger.info("vector cache: removed %s, %d bytes", path.name, size)


@dataclass
class _Block:
    keys: KeyArray
    flags: npt.NDArray[np.uint32]
    vectors: SparseVectors
    payload: npt.NDArray[np.uint8]
    checksum: int
    _intact: bool | None = field(default=None)

    def intact(self) -> bool:
        """Whether the payload is what was written; looked at once."""
        if self._intact is None:
            self._intact = zlib.crc32(self.payload.data) == self.checksum
        return self._intact


@dataclass(frozen=True, slots=True)
class _SortedKeys:
    """All keys of some blocks in ascending order of their high half, each with its block and row."""

    keys: KeyArray
    blocks: Int64Array
    rows: Int64Array

    @classmethod
    def of(cls, blocks: Sequence[KeyArray]) -> _SortedKeys:
        keys = np.concatenate([np.zeros(0, _KEY), *blocks])
        order = np.argsort(keys["high"], kind="stable")
        block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
        row_of = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(block)) for block in blocks)])
        return cls(keys[order], block_of[order], row_of[order])

    def find(self, keys: KeyArray) -> tuple[npt.NDArray[np.bool_], Int64Array, Int64Array]:
        """Which of ``keys`` are here, shape (n,), and the latest block and row of each that is.

        Two texts that share the high half hide one another: the hidden one counts as unknown.
        """
        at = np.searchsorted(self.keys["high"], keys["high"], side="right") - 1
        found = at >= 0
        found[found] = self.keys[at[found]] == keys[found]
        return found, self.blocks[at[found]], self.rows[at[found]]


class _VectorFile:
    """One identity's and side's vectors; knows the blocks that were there when it last looked."""

    def __init__(self, path: Path, digest: bytes, vocabulary_size: int) -> None:
        self.path = path
        self._vocabulary_size = vocabulary_size
        self._header = _FILE_HEADER.pack(_FILE_MAGIC, _VERSION, vocabulary_size, digest)
        self._blocks: list[_Block] = []
        self._end = len(self._header)
        self._sorted: _SortedKeys | None = None

    def look(self) -> None:
        """Take in what other processes added, and mark the file as used now."""
        with self._locked() as file:
            self._look(file)
        os.utime(self.path)

    def find(self, keys: KeyArray) -> tuple[Int64Array, Int64Array]:
        """Block and row of each key; block −1 where it is unknown."""
        blocks = np.full(len(keys), -1, np.int64)
        rows = np.zeros(len(keys), np.int64)
        if self._sorted is None:
            self._sorted = _SortedKeys.of([block.keys for block in self._blocks])
        found, block_of, row_of = self._sorted.find(keys)
        blocks[found], rows[found] = block_of, row_of
        for number in np.unique(block_of):
            if not self._blocks[number].intact():
                logger.warning("%s: block %d is damaged; its texts are encoded again", self.path, number)
                blocks[blocks == number] = -1
        return blocks, rows

    def read(self, blocks: Int64Array, rows: Int64Array) -> tuple[SparseVectors, npt.NDArray[np.bool_]]:
        """Vectors and truncation of the places that ``find`` gave, in that order."""
        truncated = np.zeros(len(blocks), np.bool_)
        parts, order = [SparseVectors.empty(0, self._vocabulary_size)], []
        for number in np.unique(blocks):
            chosen = np.flatnonzero(blocks == number)
            block = self._blocks[number]
            parts.append(block.vectors.take(rows[chosen]))
            truncated[chosen] = (block.flags[rows[chosen]] & _TRUNCATED) != 0
            order.append(chosen)
        back = np.zeros(len(blocks), np.int64)
        if order:
            back[np.concatenate(order)] = np.arange(len(blocks))
        return SparseVectors.concatenate(parts).take(back), truncated

    def append(self, keys: KeyArray, vectors: SparseVectors, truncated: npt.NDArray[np.bool_]) -> None:
        """Add one block behind whatever whole blocks the file has by now."""
        payload = b"".join(
            (
                keys.tobytes(),
                np.diff(vectors.indptr).astype("<u4").tobytes(),
                (truncated * np.uint32(_TRUNCATED)).astype("<u4").tobytes(),
                vectors.terms.astype("<u4", copy=False).tobytes(),
                vectors.weights.astype("<f4", copy=False).tobytes(),
            )
        )
        head = struct.pack("<4sIQI", _BLOCK_MAGIC, len(keys), vectors.nnz, zlib.crc32(payload))
        header = _BLOCK_HEADER.pack(
            _BLOCK_MAGIC, len(keys), vectors.nnz, zlib.crc32(payload), zlib.crc32(head), 0
        )
        with self._locked() as file:
            self._look(file)
            file.seek(self._end)
            file.truncate()
            file.write(header + payload)
            file.flush()
            self._look(file)

    def _locked(self) -> IO[bytes]:
        """The file, opened for reading and appending; its lock goes when it is closed."""
        file = self.path.open("a+b", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _look(self, file: IO[bytes]) -> None:
        """Take in the blocks added since the last look; start the file if it is new or not ours."""
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        if size < len(self._header) or file.read(len(self._header)) != self._header:
            file.truncate(0)
            file.write(self._header)
            self._blocks, self._end, self._sorted = [], len(self._header), None
            return
        if size > self._end:
            content = np.memmap(self.path, np.uint8, mode="r")
            for block, end in self._whole_blocks(content):
                self._blocks.append(block)
                self._end, self._sorted = end, None

    def _whole_blocks(self, content: npt.NDArray[np.uint8]) -> Iterator[tuple[_Block, int]]:
        start = self._end
        while start + _BLOCK_HEADER.size <= len(content):
            head = content[start : start + _BLOCK_HEADER.size].tobytes()
            magic, n_rows, nnz, checksum, head_checksum, _ = _BLOCK_HEADER.unpack(head)
            body = start + _BLOCK_HEADER.size
            end = body + n_rows * (_KEY.itemsize + 8) + nnz * 8
            if magic != _BLOCK_MAGIC or zlib.crc32(head[:20]) != head_checksum or end > len(content):
                return
            block = self._block(content[body:end], n_rows, nnz, checksum)
            if block is None:
                return
            yield block, end
            start = end

    def _block(self, payload: npt.NDArray[np.uint8], n_rows: int, nnz: int, checksum: int) -> _Block | None:
        after_keys = n_rows * _KEY.itemsize
        counts = payload[after_keys : after_keys + 4 * n_rows].view("<u4")
        flags = payload[after_keys + 4 * n_rows : after_keys + 8 * n_rows].view("<u4")
        rest = payload[after_keys + 8 * n_rows :]
        indptr = np.zeros(n_rows + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        if indptr[-1] != nnz:
            return None
        vectors = SparseVectors(
            indptr, rest[: 4 * nnz].view("<u4"), rest[4 * nnz :].view("<f4"), self._vocabulary_size
        )
        return _Block(payload[:after_keys].view(_KEY), flags, vectors, payload, checksum)


def _keys(texts: Sequence[str]) -> KeyArray:
    """128 bits of BLAKE2b of each text, shape (n,)."""
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    return np.frombuffer(b"".join(hashlib.blake2b(each, digest_size=16).digest() for each in encoded), _KEY)
