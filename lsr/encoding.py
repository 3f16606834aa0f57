"""Long encodings: vectors written to a folder as they are made, in shards that a killed run finds again.

    encoding.json            encoder, side, and once the run is complete the shards in the documents' order
    shard-<digest>.npz       ids, text hashes and vectors of consecutive documents, half a minute's work

A shard is named by a digest of its documents' ids and texts, written under a temporary name and renamed. So a
run that was killed and is started again passes over the shards it finds, and a run over a changed collection
takes each text it has seen before from the old shards instead of encoding it. A damaged shard is encoded again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsr.encoders.base import EncodeStatistics
from lsr.encoders.expansion import document_text
from lsr.errors import InputError, ModelMismatchError, SourceNotFoundError
from lsr.forecast import Forecast
from lsr.resident import peak_resident_bytes
from lsr.vectors import SparseVectors

if TYPE_CHECKING:
    from concurrent.futures import Future

    from lsr.data.documents import Document
    from lsr.encoders.workers import Encoded, Side, Work

logger = logging.getLogger(__name__)

# Large enough that a model's batches fill, small enough that a kill loses little.
SHARD_DOCUMENTS = 8192
FIRST_SHARD, LEAST_SHARD = 256, 16
SHARD_SECONDS = 30.0
LEDGER = "encoding.json"

Hashes = npt.NDArray[np.uint8]  # (n, 32)
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EncodingSummary:
    """What a run did.

    encoded: texts that the model computed; reused: texts found in the folder
    truncated: of those computed, longer than the model reads; split: cut into passages that were merged
    """

    documents: int
    encoded: int
    reused: int
    shards: int
    truncated: int = 0
    split: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Consecutive documents with their vectors; text_hashes: SHA-256 of each text."""

    ids: list[str]
    text_hashes: Hashes
    vectors: SparseVectors


def encode_to_shards(
    documents: Iterable[Document],
    folder: Path,
    work: Work,
    *,
    side: Side = "document",
    progress: Callable[[int], None] = lambda _: None,
    expected: int | None = None,
    on_forecast: Callable[[Forecast], None] = lambda _: None,
    shard_documents: int = SHARD_DOCUMENTS,
) -> EncodingSummary:
    """Encode documents into ``folder``, passing over whatever of them it already holds.

    work: what computes vectors (lsr/encoders/workers.py)
    progress: called with the number of documents done since the last call
    expected: documents there are, if that is known; on_forecast: called once, after the first shard computed
    Raises ModelMismatchError if the folder holds vectors of another encoder or side.
    """
    info = work.describe()
    facts: dict[str, object] = {"format": 1, "side": side, "encoder": info.to_json()}
    _take_folder(folder, facts)
    known = KnownTexts(folder)
    tally = Tally(info.name, expected, work.count, shard_documents, on_forecast)
    names: list[str] = []
    begun: deque[_Begun] = deque()

    def finish() -> None:
        shard = begun.popleft()
        size = _write_shard(folder / shard.name, shard.complete())
        tally.add(shard, size)
        progress(len(shard.ids))

    for batch in _batches(documents, lambda each: document_text(each, info), known, tally):
        shard = known.begin(batch, lambda texts: work.submit(side, texts))
        names.append(shard.name)
        if shard.name in known.shards:
            tally.n_documents += len(batch.ids)
            progress(len(batch.ids))
            continue
        begun.append(shard)
        while len(begun) > (work.count if work.count > 1 else 0):
            finish()
    while begun:
        finish()
    _write_ledger(folder, facts | {"shards": names})
    for leftover in {path.name for path in folder.glob("shard-*")} - set(names):
        (folder / leftover).unlink()
    return tally.summary(len(names))


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


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive documents' ids and texts, and the SHA-256 of each text."""

    ids: list[str]
    texts: list[str]
    hashes: Hashes

    @property
    def shard_name(self) -> str:
        digest = hashlib.sha256(json.dumps(self.ids).encode())
        digest.update(self.hashes.tobytes())
        return f"shard-{digest.hexdigest()[:24]}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A shard whose new texts are being encoded.

    parts, rows: vectors that were known, and where they belong; new: where those being encoded belong
    """

    name: str
    ids: list[str]
    hashes: Hashes
    parts: list[SparseVectors]
    rows: list[Rows]
    new: Rows
    encoding: Future[Encoded] | None

    def complete(self) -> Shard:
        """Waits for the encoding."""
        parts, rows = list(self.parts), list(self.rows)
        if self.encoding is not None:
            parts.append(self.encoding.result().vectors)
            rows.append(self.new)
        back = np.empty(len(self.ids), np.int64)
        back[np.concatenate(rows)] = np.arange(len(self.ids))
        return Shard(self.ids, self.hashes, SparseVectors.concatenate(parts).take(back))


class Tally:
    """Counts what is done, says once what the whole will take, and how large the next shard should be."""

    def __init__(
        self,
        model: str,
        expected: int | None,
        count: int,
        largest: int,
        report: Callable[[Forecast], None],
    ) -> None:
        """count: shards computed at the same time; largest: documents of a shard at most"""
        self._model = model
        self._expected = expected
        self._count = count
        self._largest = largest
        self._report: Callable[[Forecast], None] | None = report
        self._started = time.perf_counter()
        self._encoded = EncodeStatistics()
        self._n_encoded = 0
        self._peaks: dict[int, int] = {}
        self.n_documents = 0

    @property
    def shard_documents(self) -> int:
        """Half a minute's work of one process, so that a kill loses no more; small ones first."""
        if not self._n_encoded:
            return min(FIRST_SHARD, self._largest)
        rate = self._n_encoded / (time.perf_counter() - self._started) / self._count
        return max(1, min(self._largest, max(LEAST_SHARD, int(rate * SHARD_SECONDS))))

    def add(self, shard: _Begun, n_bytes: int) -> None:
        """A shard is on disk. n_bytes: its size"""
        self.n_documents += len(shard.ids)
        if shard.encoding is None:
            return
        done = shard.encoding.result()
        self._encoded += done.statistics
        self._n_encoded += len(shard.new)
        self._peaks[done.process] = done.peak_bytes
        if self._report is not None:
            self._report(self._forecast(len(shard.new), n_bytes / len(shard.ids), done.batch_tokens))
            self._report = None

    def summary(self, n_shards: int) -> EncodingSummary:
        return EncodingSummary(
            documents=self.n_documents,
            encoded=self._n_encoded,
            reused=self.n_documents - self._n_encoded,
            shards=n_shards,
            truncated=self._encoded.truncated,
            split=self._encoded.split,
        )

    def _forecast(self, n_encoded: int, bytes_per_document: float, batch_tokens: int) -> Forecast:
        rate = self._count * n_encoded / (time.perf_counter() - self._started)
        peak = next(iter(self._peaks.values()))
        own = peak_resident_bytes() if self._count > 1 else 0
        expected = self._expected
        return Forecast(
            model=self._model,
            documents=expected,
            documents_per_second=rate,
            seconds=None if expected is None else max(0, expected - self.n_documents) / rate,
            memory_bytes=peak * self._count + own,
            output_bytes=None if expected is None else int(bytes_per_document * expected),
            batch_tokens=batch_tokens,
        )


class KnownTexts:
    """Where the shards that lay in a folder at the start keep which text: 16 bytes a text in memory.

    shards: names of those that could be read
    """

    def __init__(self, folder: Path) -> None:
        self.shards: dict[str, int] = {}
        self._folder = folder
        self._lengths: dict[tuple[str, bytes], int] = {}
        prefixes: list[npt.NDArray[np.uint64]] = []
        places: list[npt.NDArray[np.int64]] = []
        for path in sorted(folder.glob("shard-*.npz")):
            shard = _read_shard(path)
            if shard is None:
                logger.warning("%s is damaged; its texts are encoded again", path)
                continue
            place = len(self.shards) << 32
            self.shards[path.name] = len(self.shards)
            if shard.ids:
                self._lengths[shard.ids[0], shard.text_hashes[0].tobytes()] = len(shard.ids)
            prefixes.append(_prefixes(shard.text_hashes))
            places.append(place + np.arange(len(shard.ids)))
        joined = np.concatenate(prefixes) if prefixes else np.zeros(0, np.uint64)
        order = np.argsort(joined)
        self._prefixes = joined[order]
        self._places = (np.concatenate(places) if places else np.zeros(0, np.int64))[order]

    def length_from(self, document_id: str, text: str) -> int | None:
        """Documents of the shard that begins with this one; None if none does."""
        return self._lengths.get((document_id, _text_hashes([text]).tobytes()))

    def begin(self, batch: Batch, encode: Callable[[Sequence[str]], Future[Encoded]]) -> _Begun:
        """Take what is known of a batch, and have the rest encoded. A shard that is there needs nothing."""
        name = batch.shard_name
        if name in self.shards:
            return _Begun(name, batch.ids, batch.hashes, [], [], np.zeros(0, np.int64), None)
        places = self._find(batch.hashes)
        parts, rows_of = [], []
        names = list(self.shards)
        for number in np.unique(places[places >= 0] >> 32):
            path = self._folder / names[int(number)]
            shard = _read_shard(path)
            rows = np.flatnonzero((places >= 0) & (places >> 32 == number))
            if shard is None:
                raise InputError(f"{path}: vanished while its vectors were needed.")
            at = places[rows] & 0xFFFFFFFF
            same = (shard.text_hashes[at] == batch.hashes[rows]).all(axis=1)
            places[rows[~same]] = -1
            parts.append(shard.vectors.take(at[same]))
            rows_of.append(rows[same])
        new = np.flatnonzero(places < 0)
        encoding = encode([batch.texts[int(row)] for row in new]) if len(new) else None
        return _Begun(name, batch.ids, batch.hashes, parts, rows_of, new, encoding)

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


def _batches(
    documents: Iterable[Document], text_of: Callable[[Document], str], known: KnownTexts, tally: Tally
) -> Iterator[Batch]:
    """Documents by the shard: as an earlier run cut them where it did, and else as many as are due."""
    remaining = iter(documents)
    while (first := next(remaining, None)) is not None:
        length = known.length_from(first.id, text_of(first)) or tally.shard_documents
        taken = [first, *islice(remaining, length - 1)]
        texts = [text_of(each) for each in taken]
        yield Batch([each.id for each in taken], texts, _text_hashes(texts))


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


def _write_shard(path: Path, shard: Shard) -> int:
    """Returns the bytes written."""

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
    return path.stat().st_size


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
