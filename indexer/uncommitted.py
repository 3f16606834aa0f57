"""Documents given to a writer and not committed: the latest in memory, those before in shards on disk.

Shards lie in ``building/`` (building.py). They are numbered in the order of adding, and so are the documents in
them, from the number that the next document of the index has.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from lsr.indexer.building import NewTerms, Shard, building_folder, write_shard
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.ids import UInt64Array
from lsr.indexer.limits import WriterLimits
from lsr.indexer.manifest import Manifest
from lsr.indexer.rows import FieldRows, PendingRows, RowSource, n_live
from lsr.indexer.storage import Storage

from lsr.vocabulary import GrowingVocabulary


class Uncommitted:
    """Added documents, and the running counts that came with them.

    shards: those on disk, in order
    counts: by name, what ``CollectionWriter.add`` was told to count
    """

    def __init__(
        self, storage: Storage, index: Path, base: Manifest, vocabularies: Mapping[str, GrowingVocabulary]
    ) -> None:
        """Nothing yet, after the generation ``base``. vocabularies: of counted fields; they grow meanwhile."""
        self.shards: list[Shard] = []
        self.counts: dict[str, int] = {}
        self._storage = storage
        self._index = index
        self._base = base
        self._vocabularies = vocabularies
        self._pending = PendingRows(base.next_number)
        self._pending_ids: dict[str, int] = {}
        self._last_checkpoint = time.monotonic()

    @property
    def records_done(self) -> int:
        """Input records behind these documents."""
        return self._pending.records_done

    @property
    def next_number(self) -> int:
        """Of the document that is added next."""
        return self._pending.first_number + len(self._pending)

    @property
    def n_waiting(self) -> int:
        """Documents in memory, dead ones included."""
        return len(self._pending)

    @property
    def n_documents(self) -> int:
        return sum(n_live(source) for source in self.sources())

    def sources(self) -> list[RowSource]:
        """All of them, in order; empty if there are none."""
        pending: list[RowSource] = [self._pending] if len(self._pending) else []
        return [*self.shards, *pending]

    def take_up(self, shards: Sequence[Shard], *, records_done: int = 0) -> None:
        """Go on after shards that an earlier writer left."""
        for shard in shards:
            self.shards.append(shard)
            self.counts = dict(shard.entry.counts)
            for name, vocabulary in self._vocabularies.items():
                vocabulary.ids_adding(shard.terms(name))
        done = sum(shard.entry.n_documents for shard in shards)
        self._pending = PendingRows(self._base.next_number + done, records_done)

    def add(
        self,
        documents: DocumentColumns,
        hashes: UInt64Array,
        vectors: Mapping[str, FieldRows],
        *,
        records_done: int | None,
        counts: Mapping[str, int],
    ) -> None:
        """Add documents whose ids are not among these, with their rows in every field."""
        self._pending_ids.update(zip(documents.ids, count(len(self._pending)), strict=False))
        done = self.records_done + len(documents) if records_done is None else records_done
        self._pending.add(documents, hashes, vectors, records_done=done)
        self.counts = added(self.counts, counts)

    def crowded(self, limits: WriterLimits) -> bool:
        """More is in memory, or for longer, than a writer may hold."""
        waited = time.monotonic() - self._last_checkpoint
        return self._pending.size_bytes > limits.waiting_bytes or waited > limits.waiting_seconds

    def checkpoint(self) -> Shard | None:
        """Move what is in memory to a new shard, durably; None if nothing is."""
        if not self.n_waiting:
            return None
        shard = write_shard(
            self._storage,
            building_folder(self._index),
            f"{len(self.shards):06d}",
            self._pending,
            fields=self._base.fields,
            vocabularies={
                name: NewTerms(terms.terms, self._n_known_terms(name))
                for name, terms in self._vocabularies.items()
            },
            records_done=self._pending.records_done,
            counts=self.counts,
        )
        # First of all, so that an interrupt here cannot make these rows a shard twice. What it loses is in no
        # ledger either, and is done again.
        self._pending = PendingRows(self.next_number, self.records_done)
        self._pending_ids = {}
        self.shards.append(shard)
        self._last_checkpoint = time.monotonic()
        return shard

    def present(self, ids: Sequence[str], hashes: UInt64Array) -> list[str]:
        """Those of the ids that were added already."""
        waiting = [name for name in ids if name in self._pending_ids]
        return waiting + [ids[at] for shard in self.shards for at, _ in shard.find_ids(ids, hashes)]

    def kill(self, ids: Sequence[str], hashes: UInt64Array) -> int:
        """Mark documents dead; returns how many of them were alive."""
        killed = 0
        for shard in self.shards:
            killed += sum(shard.kill(position) for _, position in shard.find_ids(ids, hashes))
        for name in ids:
            if name in self._pending_ids:
                self._pending.kill(self._pending_ids.pop(name))
                killed += 1
        return killed

    def _n_known_terms(self, field: str) -> int:
        """Terms of a counted field that a committed generation or a shard already holds."""
        return self.shards[-1].entry.n_terms[field] if self.shards else self._base.field(field).n_terms


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Counts by name, summed."""
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}
