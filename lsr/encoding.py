"""Long encodings: vectors written to a folder as they are made, in shards that a killed run finds again.

    encoding.json            encoder, side, and once the run is complete the shards in the documents' order
    shard-<digest>.npz       ids, text hashes and vectors of up to 8,192 consecutive documents

A shard is named by a digest of its documents' ids and texts, written under a temporary name and renamed. So a
run that was killed and is started again passes over the shards it finds, and a run over a changed collection
takes each text it has seen before from the old shards instead of encoding it. A damaged shard is encoded again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsr.errors import InputError, ModelMismatchError, SourceNotFoundError
from lsr.vectors import SparseVectors

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.encoders.base import SparseEncoder

logger = logging.getLogger(__name__)

# Large enough that a model's batches fill, small enough that a kill loses half a minute of a small model.
SHARD_DOCUMENTS = 8192
LEDGER = "encoding.json"

Hashes = npt.NDArray[np.uint8]  # (n, 32)


@dataclass(frozen=True, slots=True)
class EncodingSummary:
    """What a run did. encoded: texts that the model computed; reused: texts found in the folder."""

    documents: int
    encoded: int
    reused: int
    shards: int


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Consecutive documents with their vectors; text_hashes: SHA-256 of each text."""

    ids: list[str]
    text_hashes: Hashes
    vectors: SparseVectors


def encode_to_shards(
    documents: Iterable[Document],
    folder: Path,
    encoder: SparseEncoder,
    *,
    side: str = "document",
    progress: Callable[[int], None] = lambda _: None,
    shard_documents: int = SHARD_DOCUMENTS,
) -> EncodingSummary:
    """Encode documents into ``folder``, passing over whatever of them it already holds.

    side: "document" or "query"
    progress: called with the number of documents done since the last call
    Raises ModelMismatchError if the folder holds vectors of another encoder or side.
    """
    facts = {"format": 1, "side": side, "encoder": encoder.describe().to_json()}
    _take_folder(folder, facts)
    known = KnownTexts(folder)
    encode = encoder.encode_queries if side == "query" else encoder.encode_documents
    names: list[str] = []
    n_documents = n_encoded = 0
    remaining = iter(documents)
    while batch := list(islice(remaining, shard_documents)):
        texts = [document.encoder_text() for document in batch]
        hashes = _text_hashes(texts)
        name = _shard_name([document.id for document in batch], hashes)
        if name not in known.shards:
            vectors, encoded = known.complete(texts, hashes, encode)
            _write_shard(folder / name, Shard([document.id for document in batch], hashes, vectors))
            n_encoded += encoded
        names.append(name)
        n_documents += len(batch)
        progress(len(batch))
    _write_ledger(folder, facts | {"shards": names})
    for leftover in {path.name for path in folder.glob("shard-*")} - set(names):
        (folder / leftover).unlink()
    return EncodingSummary(n_documents, n_encoded, n_documents - n_encoded, len(names))


def read_shards(folder: Path) -> Iterator[tuple[list[str], SparseVectors]]:
    """Ids and vectors of a complete folder, shard by shard in the documents' order.

    Raises SourceNotFoundError for a folder without a ledger, and InputError for an unfinished or damaged one.
    """
    ledger = _read_ledger(folder)
    if ledger is None:
        raise SourceNotFoundError(f"{folder}: no {LEDGER} there, so it holds no encoded texts.")
    names = ledger.get("shards")
    if not isinstance(names, list):
        raise InputError(f"{folder}: its encoding was not finished. Run the same `lsr encode` again to go on.")
    for name in names:
        shard = _read_shard(folder / str(name))
        if shard is None:
            raise InputError(f"{folder / str(name)}: missing or damaged. Run the same `lsr encode` again.")
        yield shard.ids, shard.vectors


class KnownTexts:
    """Where the shards that lay in a folder at the start keep which text: 16 bytes a text in memory.

    shards: names of those that could be read
    """

    def __init__(self, folder: Path) -> None:
        self.shards: dict[str, int] = {}
        self._folder = folder
        prefixes: list[npt.NDArray[np.uint64]] = []
        places: list[npt.NDArray[np.int64]] = []
        for path in sorted(folder.glob("shard-*.npz")):
            shard = _read_shard(path)
            if shard is None:
                logger.warning("%s is damaged; its texts are encoded again", path)
                continue
            place = len(self.shards) << 32
            self.shards[path.name] = len(self.shards)
            prefixes.append(_prefixes(shard.text_hashes))
            places.append(place + np.arange(len(shard.ids)))
        joined = np.concatenate(prefixes) if prefixes else np.zeros(0, np.uint64)
        order = np.argsort(joined)
        self._prefixes = joined[order]
        self._places = (np.concatenate(places) if places else np.zeros(0, np.int64))[order]

    def complete(
        self, texts: Sequence[str], hashes: Hashes, encode: Callable[[Sequence[str]], SparseVectors]
    ) -> tuple[SparseVectors, int]:
        """A row for each text: found where it is known, else encoded; and how many were encoded."""
        places = self._find(hashes)
        parts, order = [], []
        names = list(self.shards)
        for number in np.unique(places[places >= 0] >> 32):
            path = self._folder / names[int(number)]
            shard = _read_shard(path)
            rows = np.flatnonzero((places >= 0) & (places >> 32 == number))
            if shard is None:
                raise InputError(
                    f"{self._folder / names[int(number)]}: vanished while its vectors were needed."
                )
            at = places[rows] & 0xFFFFFFFF
            same = (shard.text_hashes[at] == hashes[rows]).all(axis=1)
            places[rows[~same]] = -1
            parts.append(shard.vectors.take(at[same]))
            order.append(rows[same])
        new = np.flatnonzero(places < 0)
        if len(new):
            parts.append(encode([texts[int(row)] for row in new]))
            order.append(new)
        back = np.empty(len(texts), np.int64)
        back[np.concatenate(order)] = np.arange(len(texts))
        return SparseVectors.concatenate(parts).take(back), len(new)

    def _find(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """Shard number << 32 | row for each hash, -1 where it is not known."""
        if not len(self._prefixes):
            return np.full(len(hashes), -1, np.int64)
        prefixes = _prefixes(hashes)
        at = np.minimum(np.searchsorted(self._prefixes, prefixes), len(self._prefixes) - 1)
        return np.where(self._prefixes[at] == prefixes, self._places[at], -1)


def _prefixes(hashes: Hashes) -> npt.NDArray[np.uint64]:
    """The first 64 bits of each hash, to look it up; the whole is compared before a row is taken."""
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64).reshape(-1)


def _text_hashes(texts: Sequence[str]) -> Hashes:
    joined = b"".join(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(len(texts), 32)


def _shard_name(ids: Sequence[str], hashes: Hashes) -> str:
    digest = hashlib.sha256(json.dumps(list(ids)).encode())
    digest.update(hashes.tobytes())
    return f"shard-{digest.hexdigest()[:24]}.npz"


def _take_folder(folder: Path, facts: dict[str, object]) -> None:
    """Make the folder this encoder's, or check that it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob("*.part"):
        unfinished.unlink()
    held = _read_ledger(folder)
    if held is None:
        _write_ledger(folder, facts)
        return
    if (_identity(held), held.get("side")) != (_identity(facts), facts["side"]):
        raise ModelMismatchError(
            f"{folder}: holds vectors of another encoder or side ({held.get('side')}s). Choose another folder,"
            " or delete this one."
        )


def _identity(facts: dict[str, object]) -> object:
    encoder = facts.get("encoder")
    return encoder.get("identity") if isinstance(encoder, dict) else None


def _read_ledger(folder: Path) -> dict[str, object] | None:
    try:
        ledger = json.loads((folder / LEDGER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        ledger = None
    if not isinstance(ledger, dict) or ledger.get("format") != 1:
        raise InputError(f"{folder / LEDGER}: not a ledger that this release reads (format 1).")
    return ledger


def _write_ledger(folder: Path, facts: dict[str, object]) -> None:
    _replace(folder / LEDGER, lambda path: path.write_text(json.dumps(facts, indent=1), encoding="utf-8"))


def _write_shard(path: Path, shard: Shard) -> None:
    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            np.savez(
                file,
                ids=np.frombuffer(json.dumps(shard.ids).encode(), np.uint8),
                text_hashes=shard.text_hashes,
                indptr=shard.vectors.indptr,
                terms=shard.vectors.terms,
                weights=shard.vectors.weights,
                vocabulary_size=np.int64(shard.vectors.vocabulary_size),
            )

    _replace(path, write)


def _read_shard(path: Path) -> Shard | None:
    """The shard, or None if it is absent or not whole: the archive's checksums cover every array."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            ids = json.loads(arrays["ids"].tobytes())
            hashes = np.asarray(arrays["text_hashes"], np.uint8)
            vectors = SparseVectors.checked(
                arrays["indptr"], arrays["terms"], arrays["weights"], int(arrays["vocabulary_size"])
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = hashes.shape == (len(ids), 32) and len(vectors) == len(ids)
    return Shard(ids, hashes, vectors) if whole else None


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    scratch = path.with_name(path.name + ".part")
    write(scratch)
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(path)
