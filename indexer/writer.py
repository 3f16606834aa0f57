"""Writing an index: one writer at a time, nothing visible before ``commit``, nothing acknowledged lost after
it.

Building a new index, from a source that may be interrupted:

    with CollectionWriter.create(path, fields, source={"path": ..., "sha256": ...}, resume=resume) as writer:
        for records, documents in batches(skip=writer.records_done):      # records: input records read so far
            counts = analyzer.count(texts, writer.vocabulary("bm25"), adding=True)
            writer.add(documents, {"learned": vectors, "bm25": counts}, records_done=records)
        generation = writer.commit()

Leaving the block without ``commit``: an InputError (the input is broken) removes what was built; anything else,
such as Ctrl-C, keeps it in ``building/``, and the same call with ``resume=True`` goes on after
``records_done``. Without a ``source`` (standard input) there is nothing to resume by, and every exception
removes it. The committed generation stays as it was, byte for byte.

Changing an index:

    with CollectionWriter.open(path) as writer:
        writer.add(documents, vectors)       # a document whose id is there already replaces it
        writer.delete(ids)
        generation = writer.commit()         # or writer.stage(): kept for a later writer (staging.py)

``memory`` bounds what the writer holds: documents go to disk as shards meanwhile, and a segment is never larger
than its lists can be built within it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from lsr.indexer.admission import check_distinct, check_ids, check_vectors
from lsr.indexer.aliases import followed, locked
from lsr.indexer.beginning import check_folder, check_names, empty_generation, require_no_unfinished
from lsr.indexer.building import Ledger, Shard, building_folder, read_ledger
from lsr.indexer.checksums import check_file
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.committing import Changes, KeptSegment, SegmentMaking, next_manifest, write_generation
from lsr.indexer.documents import DocumentLike
from lsr.indexer.fields import FieldSpec
from lsr.indexer.ids import UInt64Array, hash_ids
from lsr.indexer.limits import DEFAULT_MEMORY, WriterLimits
from lsr.indexer.locking import LOCK_NAME, WriterLock
from lsr.indexer.manifest import (
    MANIFEST_NAME,
    REORDERED,
    FieldEntry,
    Manifest,
    SegmentEntry,
    read_manifest,
    write_manifest,
)
from lsr.indexer.merging import Merge, MergeCommit, chosen, source_of
from lsr.indexer.rows import FieldRows
from lsr.indexer.segments import Segment
from lsr.indexer.staging import StagedChanges, open_shards, read_staged, require_no_build, write_staged
from lsr.indexer.storage import FileStorage, Storage, make_place
from lsr.indexer.sweeping import OWN_NAMES, highest_number, sweep
from lsr.indexer.terms import open_terms, read_terms
from lsr.indexer.tombstones import live_mask, read_live_words
from lsr.indexer.uncommitted import Uncommitted, added

from lsr.errors import (
    DuplicateIdError,
    IndexCorruptError,
    IndexFormatError,
    InputError,
    InvalidArgumentError,
)
from lsr.vocabulary import GrowingVocabulary


class CollectionWriter:
    """The one writer of an index. See the module for how it is used; make one with ``create`` or ``open``."""

    def __init__(
        self,
        path: Path,
        lock: WriterLock,
        storage: Storage,
        base: Manifest,
        *,
        new_fields: Sequence[FieldSpec],
        replacing: bool,
        memory: int,
        threads: int,
        reorder: bool = False,
    ) -> None:
        """For ``create`` and ``open``."""
        self.path = path
        self.memory = memory
        self._lock = lock
        self._storage = storage
        self._base = base
        self._replacing = replacing
        self._threads = threads
        self._reorder = reorder
        self._ledger: Ledger | None = None
        self._kept: list[KeptSegment] = []
        self._encoded_terms: dict[str, Sequence[str]] = {
            spec.name: spec.vocabulary.terms for spec in new_fields if spec.vocabulary is not None
        }
        self._query_tables = {
            spec.name: spec.query_table for spec in new_fields if spec.query_table is not None
        }
        self._vocabularies: dict[str, GrowingVocabulary] = {}
        self._uncommitted = Uncommitted(storage, path, base, self._vocabularies)
        self._load_base()
        self._closed = False
        self._id_lock = threading.Lock()
        self._next_segment = max(base.next_segment - 1, highest_number(path / "segments"))
        self._merged_ids: set[str] = set()
        self._merge: Merge | None = None
        self._staged_changes: StagedChanges | None = None

    @classmethod
    def create(
        cls,
        path: Path | str,
        fields: Sequence[FieldSpec],
        *,
        source: Mapping[str, object] | None = None,
        resume: bool = False,
        overwrite: bool = False,
        memory: int = DEFAULT_MEMORY,
        threads: int = 1,
        reorder: bool = False,
        settings: Mapping[str, object] | None = None,
        storage: Storage | None = None,
    ) -> CollectionWriter:
        """Begin a new index, or go on with an unfinished one.

        source:    facts that identify the input (JSON); a build can only be resumed with the same ones
        resume:    continue an unfinished build if there is one; its fields and source must be these
        overwrite: replace an index, or discard an unfinished build; the old index stays until ``commit``
        reorder:   put like documents next to each other at the first commit, which makes searches faster; equal
                   scores then rank by that order, not by that of ``add``
        settings:  kept in the manifest as they are
        Raises IndexExistsError, UnfinishedBuildError, IndexLockedError, InvalidArgumentError.
        """
        check_names(fields)
        check_folder(followed(path))
        files = storage or FileStorage()
        existed = followed(path).is_dir()
        make_place(files, followed(path))
        folder, lock = locked(path)
        try:
            recorded = {**(settings or {}), **({REORDERED: True} if reorder else {})}
            base = empty_generation(folder, fields, recorded, overwrite=overwrite, resume=resume)
            writer = cls(
                folder,
                lock,
                files,
                base,
                new_fields=fields,
                replacing=True,
                memory=memory,
                threads=threads,
                reorder=reorder,
            )
            writer._begin(source, resume=resume, overwrite=overwrite)
        except BaseException:
            lock.release(remove=not existed)
            raise
        return writer

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        memory: int = DEFAULT_MEMORY,
        threads: int = 1,
        storage: Storage | None = None,
    ) -> CollectionWriter:
        """Change an existing index, from its staged changes on if there are any.

        Raises IndexNotFoundError, IndexFormatError, IndexLockedError.
        """
        read_manifest(followed(path))
        files = storage or FileStorage()
        folder, lock = locked(path)
        try:
            base = read_manifest(folder)  # again: another writer may have committed before we had the lock
            sweep(files, folder, base)
            writer = cls(
                folder, lock, files, base, new_fields=(), replacing=False, memory=memory, threads=threads
            )
            writer._take_up_staged()
            writer._forget_finished_build()
        except BaseException:
            lock.release()
            raise
        return writer

    # Facts

    @property
    def generation(self) -> int:
        """The generation that ``commit`` will change; 0 before the first."""
        return self._base.generation

    @property
    def staged(self) -> StagedChanges | None:
        """What is kept on disk and waits for ``commit``."""
        return self._staged_changes

    @property
    def fields(self) -> tuple[FieldEntry, ...]:
        return self._base.fields

    @property
    def limits(self) -> WriterLimits:
        """What it holds at most."""
        return WriterLimits.of(self.memory, resumable=self._ledger is not None)

    @property
    def records_done(self) -> int:
        """Input records behind the documents added so far; at first those that a resumed build already has."""
        return self._uncommitted.records_done

    @property
    def n_documents(self) -> int:
        """Live documents that ``commit`` would leave."""
        kept = sum(int(item.live.sum()) for item in self._kept)
        return kept + self._uncommitted.n_documents

    @property
    def n_segments(self) -> int:
        """Of the committed generation."""
        return len(self._base.segments)

    def vocabulary(self, field: str) -> GrowingVocabulary:
        """A counted field's terms, to be extended while counting documents for ``add``."""
        if field not in self._vocabularies:
            raise InvalidArgumentError(
                f"{self.path}: {field!r} is no counted field of this index", field="field"
            )
        return self._vocabularies[field]

    # Changes

    def add(
        self,
        documents: Sequence[DocumentLike],
        vectors: Mapping[str, FieldRows],
        *,
        records_done: int | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Add documents with their rows in every field, all or none of them.

        A document replaces an earlier one with its id, but two in one call, or two in one new build, are an
        error.
        records_done: input records read so far, where records were skipped; documents so far otherwise.
        counts: what to add to the index's running counts of these names, kept under ``counts`` in its settings
        Raises DuplicateIdError, InvalidArgumentError, ModelMismatchError; UnfinishedBuildError if a build that
        was interrupted would be lost.
        """
        self._require_changeable()
        columns = DocumentColumns.of(documents)
        counted_terms = {name: len(terms) for name, terms in self._vocabularies.items()}
        check_vectors(
            len(columns), vectors, index=self.path, fields=self._base.fields, counted_terms=counted_terms
        )
        check_distinct(columns.ids)
        hashes = hash_ids(columns.ids)
        self._replace_older(columns.ids, hashes)
        self._uncommitted.add(columns, hashes, vectors, records_done=records_done, counts=counts or {})
        if self._uncommitted.crowded(self.limits):
            self.checkpoint()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents by id; returns how many there were. Unknown ids are no error.

        Raises InvalidArgumentError for what is no list of ids, UnfinishedBuildError as ``add`` does.
        """
        self._require_changeable()
        check_ids(ids)
        wanted = list(dict.fromkeys(ids))
        return self._kill(wanted, hash_ids(wanted))

    def checkpoint(self) -> None:
        """Move what is in memory to ``building/``; a resumable build continues from here at the latest."""
        shard = self._uncommitted.checkpoint()
        if shard is not None and self._ledger is not None:
            self._ledger = replace(self._ledger, shards=(*self._ledger.shards, shard.entry))
            self._ledger.write(self._storage, building_folder(self.path))

    def commit(self) -> int:
        """Make everything durable and visible at once; returns the generation. Nothing changed: no new
        generation.
        """
        self._require_open()
        if not self._replacing and not self._changed():
            return self._base.generation
        if self._replacing and self._ledger is not None:
            self.checkpoint()  # a crash while the segments are written need not repeat the encoding
        making = replace(self._making(self._new_segment_id), reorder=self._reorder and self._replacing)
        manifest = write_generation(self._storage, self.path, self._base, self._changes(), making)
        manifest = replace(manifest, settings=with_counts(manifest, self._uncommitted.counts))
        write_manifest(self._storage, self.path, manifest)
        self._storage.sync_folder(self.path.parent)
        self._start_from(manifest)
        return manifest.generation

    def stage(self) -> StagedChanges:
        """Keep the changes so far on disk, for this writer or a later one to commit; no reader sees them.

        Raises UnfinishedBuildError if a build that was interrupted lies in the way; InvalidArgumentError while
        a merge is running: what is staged belongs to a generation, and the merge will make another one.
        """
        self._require_changeable()
        if self._replacing:
            raise InvalidArgumentError(
                f"{self.path}: a build keeps its work by itself; commit it when it is done"
            )
        if self._merge is not None:
            raise InvalidArgumentError(
                f"{self.path}: a merge is running; finish or abandon it before changes are staged"
            )
        self.checkpoint()
        self._staged_changes = write_staged(
            self._storage,
            self.path,
            self._staged_changes,
            generation=self._base.generation,
            shards=self._uncommitted.shards,
            kept=self._kept,
        )
        return self._staged_changes

    def require_recordable(self) -> None:
        """For what takes long before it records.

        Raises InvalidArgumentError while changes wait for a commit; UnfinishedBuildError as ``add`` does.
        """
        self._require_changeable()
        if self._replacing or self._changed():
            raise InvalidArgumentError(f"{self.path}: commit the changes first, then record settings")

    def record(self, name: str, value: object) -> int:
        """Keep a setting (JSON) in the manifest; a generation of its own, which is returned.

        Raises as ``require_recordable`` does.
        """
        self.require_recordable()
        generation = max(self._base.generation, highest_number(self.path / "commits")) + 1
        manifest = next_manifest(self._base, generation, self._base.fields, self._base.segments)
        manifest = replace(manifest, settings={**self._base.settings, name: value})
        write_manifest(self._storage, self.path, manifest)
        self._base = manifest
        return generation

    def merge(self, *, full: bool = False) -> int:
        """Join small neighbouring segments and give back the space of dead documents; returns the generation.

        full: the whole index, as few segments as memory allows, with the average document length taken anew.
        """
        merge = self.begin_merge(full=full)
        if merge is None:
            return self._base.generation
        try:
            merge.run()
        except BaseException:
            self.abandon_merge(merge)
            raise
        return self.finish_merge(merge)

    def begin_merge(self, *, full: bool = False) -> Merge | None:
        """Choose what to merge; None if the index is well as it is. One merge at a time.

        Raises UnfinishedBuildError as ``add`` does: a build belongs to the generation that it was begun at.
        """
        self._require_changeable()
        if self._merge is not None:
            raise InvalidArgumentError(f"{self.path}: a merge is running already; finish or abandon it first")
        if self._staged_changes is not None:
            raise InvalidArgumentError(
                f"{self.path}: changes are staged; run `lsr commit` before a merge, or discard them"
            )
        if self._replacing:
            return None
        ids = {entry.id for entry in chosen(self._base, full=full)}
        if not ids:
            return None
        sources = [source_of(self.path, item) for item in self._kept if item.entry.id in ids]
        making = self._making(self._new_merged_id)
        self._merge = Merge(self._storage, self.path, sources, self._base.fields, full, making)
        return self._merge

    def finish_merge(self, merge: Merge) -> int:
        """Put the merged segments in their sources' place and commit that; returns the generation.

        Deletions since the beginning are applied; what is not committed yet stays so.
        """
        self._require_open()
        if merge is not self._merge or not merge.done:
            raise InvalidArgumentError(f"{self.path}: this merge has not been run, or is over already")
        manifest, kept = MergeCommit(merge, self._base, self._kept).write()
        write_manifest(self._storage, self.path, manifest)
        self._base, self._kept = manifest, kept
        self.abandon_merge(merge)
        return manifest.generation

    def abandon_merge(self, merge: Merge) -> None:
        """Forget a merge; what it wrote and nothing names is removed."""
        if merge is self._merge:
            self._merge = None
            self._merged_ids.clear()
            sweep(self._storage, self.path, self._base)

    def discard(self) -> None:
        """Forget everything since the last commit, on disk as well, and close."""
        if self._closed:
            return
        self._closed = True
        if not self._lock.in_place:
            self._lock.release()  # moved or removed: what lies there now, if anything, is not ours
            return
        committed = (self.path / MANIFEST_NAME).exists()
        try:
            self._storage.remove(building_folder(self.path))
            if committed:
                with contextlib.suppress(IndexFormatError):
                    sweep(self._storage, self.path, read_manifest(self.path))
            else:
                for name in sorted(OWN_NAMES - {LOCK_NAME}):
                    self._storage.remove(self.path / name)
        finally:
            self._lock.release(remove=not committed)
        if not committed and not any(self.path.iterdir()):
            self._storage.remove(self.path)

    def close(self) -> None:
        """Let go of the lock. Uncommitted changes are kept if they are staged, or the build can be resumed."""
        if self._closed:
            return
        if self._ledger is None and self._staged_changes is None and (self._replacing or self._changed()):
            self.discard()
            return
        self._closed = True
        self._lock.release()

    def __enter__(self) -> CollectionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, InputError) and self._staged_changes is None:
                self.discard()
            elif isinstance(error, KeyboardInterrupt) and self._ledger is not None:
                self.checkpoint()
        finally:
            self.close()

    # Below: how the above is done

    def _begin(self, source: Mapping[str, object] | None, *, resume: bool, overwrite: bool) -> None:
        """Start a build's ledger, or take up the one that is there."""
        folder = building_folder(self.path)
        facts = {**(source or {}), **({REORDERED: True} if self._reorder else {})}
        wanted = Ledger.of(self._base.generation, facts, self._base.fields)
        unfinished = None if overwrite and not resume else read_ledger(folder)
        if unfinished is not None and unfinished.generation == wanted.generation:
            if not resume:
                require_no_unfinished(unfinished, wanted.generation, self.path)
            unfinished.require_same(wanted, self.path)
            self._take_up(unfinished.sound(folder))
            return
        self._storage.remove(folder)
        if source is not None:
            self._storage.make_folder(folder)
            self._ledger = wanted
            wanted.write(self._storage, folder)
            self._storage.sync_folder(self.path)

    def _take_up(self, ledger: Ledger) -> None:
        self._ledger = ledger
        shards = [Shard(building_folder(self.path), entry) for entry in ledger.shards]
        self._uncommitted.take_up(shards, records_done=ledger.records_done)

    def _take_up_staged(self) -> None:
        staged = read_staged(self.path, self._base.generation)
        if staged is None:
            return
        self._staged_changes = staged
        self._uncommitted.take_up(open_shards(self.path, staged))
        for item in self._kept:
            live = staged.live(building_folder(self.path), f"segment-{item.entry.id}", item.entry.n_documents)
            if live is not None:
                item.live, item.changed = live, True

    def _forget_finished_build(self) -> None:
        """Remove what a process left in ``building/`` that ended after its commit, or before it staged."""
        folder = building_folder(self.path)
        if self._staged_changes is not None or not folder.exists():
            return
        with contextlib.suppress(IndexCorruptError):  # whoever changes something is told
            build = read_ledger(folder)
            if build is None or build.generation != self._base.generation:
                self._storage.remove(folder)

    def _start_from(self, manifest: Manifest) -> None:
        """Forget what has been committed, and go on from there."""
        self._base = manifest
        self._replacing = False
        self._ledger = None
        self._staged_changes = None
        self._uncommitted = Uncommitted(self._storage, self.path, manifest, self._vocabularies)
        self._storage.remove(building_folder(self.path))
        sweep(self._storage, self.path, manifest, spared=self._merged_ids)
        self._load_base()

    def _load_base(self) -> None:
        if not self._replacing:
            opened = {item.entry.id: item.segment for item in self._kept}
            self._kept = [self._kept_segment(entry, opened.get(entry.id)) for entry in self._base.segments]
        for entry in self._base.fields:
            if entry.kind == "counted" and entry.name not in self._vocabularies:
                self._vocabularies[entry.name] = GrowingVocabulary(self._terms(entry))
            elif entry.kind == "encoded" and entry.name not in self._encoded_terms:
                self._encoded_terms[entry.name] = self._terms(entry)

    def _kept_segment(self, entry: SegmentEntry, opened: Segment | None) -> KeptSegment:
        for file in entry.deletions.files if entry.deletions else ():
            check_file(self.path, file)  # what is alive is carried over into each generation from here on
        segment = opened or Segment(self.path, entry, self._base.fields, load="map")
        return KeptSegment(entry, segment, live_mask(read_live_words(self.path, entry), entry.n_documents))

    def _terms(self, entry: FieldEntry) -> list[str]:
        for file in entry.vocabulary_files:
            check_file(self.path, file)
        return read_terms(open_terms(self.path, entry), entry.n_terms)

    def _changed(self) -> bool:
        return bool(self._uncommitted.sources()) or any(item.changed for item in self._kept)

    def _changes(self) -> Changes:
        grown = {name: vocabulary.terms for name, vocabulary in self._vocabularies.items()}
        terms = {**self._encoded_terms, **grown}
        sources, next_number = self._uncommitted.sources(), self._uncommitted.next_number
        return Changes(self._kept, sources, terms, self._query_tables, next_number)

    def _making(self, new_id: Callable[[], str]) -> SegmentMaking:
        return SegmentMaking(self.limits.segment_nonzeros, self._threads, new_id)

    def _new_segment_id(self) -> str:
        with self._id_lock:
            self._next_segment += 1
            return f"{self._next_segment:08d}"

    def _new_merged_id(self) -> str:
        """As above, and spared by sweeping until the merge is over: commits may happen meanwhile."""
        segment_id = self._new_segment_id()
        self._merged_ids.add(segment_id)
        return segment_id

    def _require_changeable(self) -> None:
        """Changes wait in ``building/``, where they would take the place of an unfinished build; and a build
        that was begun at another generation is not resumed but begun again.
        """
        self._require_open()
        if not self._replacing:
            require_no_build(self.path, self._base.generation)

    def _require_open(self) -> None:
        if self._closed:
            raise InvalidArgumentError(f"{self.path}: this writer is closed; open another one")
        self._lock.require_in_place()

    def _replace_older(self, ids: Sequence[str], hashes: UInt64Array) -> None:
        if not self._replacing:
            self._kill(ids, hashes)
            return
        twice = self._uncommitted.present(ids, hashes)
        if twice:
            raise DuplicateIdError(f"document id {twice[0]!r} occurs twice in the input; ids must be distinct")

    def _kill(self, ids: Sequence[str], hashes: UInt64Array) -> int:
        killed = 0
        for item in self._kept:
            for _, position in item.segment.find_ids(ids, hashes):
                killed += int(item.live[position])
                item.changed |= bool(item.live[position])
                item.live[position] = False
        return killed + self._uncommitted.kill(ids, hashes)


def with_counts(manifest: Manifest, counts: Mapping[str, int]) -> Mapping[str, object]:
    return {**manifest.settings, "counts": added(manifest.counts, counts)} if counts else manifest.settings
