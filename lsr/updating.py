"""Changing an index that exists: documents in, documents out, one commit (or staged, and one commit later).

Documents are encoded with the index's own models; one whose id is there already replaces it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsr import passages
from lsr.errors import InvalidArgumentError, LsrError
from lsr.fields import EncodedField, FieldEncoder, QueryVectors, cutter_of, open_fields
from lsr.passages import PassageCutter

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.indexer.documents import DocumentLike
    from lsr.indexer.writer import CollectionWriter

logger = logging.getLogger(__name__)

BATCH = 256  # documents encoded and added together

# A change that leaves more segments joins the small ones. Each change adds one, and a segment holds a file open
# at least: a thousand changes later nothing could open the index under the usual limit of 1,024 files, and a
# commit of one document took 0.3 s at 300 segments.
MANY_SEGMENTS = 16


@dataclass(frozen=True, slots=True)
class Update:
    """What a change left behind.

    generation: the newest committed one
    documents:  in it, or with ``staged`` those that a commit would leave
    changed:    documents added or replaced, deleted, or freed by a merge; of a commit all of these
    staged:     whether the change waits for a commit
    truncated, split: of the texts added, those longer than the model reads, and documents cut into passages
    """

    path: str
    generation: int
    documents: int
    changed: int
    staged: bool = False
    truncated: int = 0
    split: int = 0


def add_documents(
    index: Path,
    documents: Iterable[Document],
    *,
    stage: bool = False,
    model: str | None = None,
    queries: str | None = None,
    transform: str | None = None,
    device: str = "cpu",
    memory: int | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Update:
    """Add documents, or replace those whose ids are there, and commit.

    stage:  keep them for ``commit_staged`` instead of committing
    model, queries, transform, device: as for ``Pipeline.open``
    memory: of the models, in bytes
    Nothing changes unless all could be read and encoded. Raises ModelMismatchError if the index's models are
    not to be had as they were, IndexLockedError if somebody else is writing.
    """
    from lsr.indexer.collection import Collection
    from lsr.indexer.writer import CollectionWriter

    collection = Collection.open(index)
    names = [info.name for info in collection.fields]
    encoders = open_fields(
        collection,
        names,
        model=model,
        queries=queries,
        transform=transform,
        device=device,
        threads=threads,
        memory=memory,
    )
    changing = Changing(encoders, cutter_of(collection, encoders))
    with CollectionWriter.open(index, threads=threads or 1) as writer:
        added = 0
        stream = iter(documents)
        while batch := list(islice(stream, BATCH)):
            changing.add(writer, batch)
            added += len(batch)
            progress(len(batch))
        counts, done = changing.counts(), _finished(writer, index, added, stage=stage)
        return replace(done, truncated=counts["truncated"], split=counts["split"])


def delete_documents(index: Path, ids: Sequence[str], *, stage: bool = False) -> Update:
    """Delete documents and commit, or stage; ids that are not there are passed over and not counted."""
    from lsr.indexer.collection import Collection
    from lsr.indexer.writer import CollectionWriter

    split = passages.holds_passages(Collection.open(index))
    with CollectionWriter.open(index) as writer:
        deleted = passages.delete_documents(writer, ids) if split else writer.delete(ids)
        return _finished(writer, index, deleted, stage=stage)


def commit_staged(index: Path) -> Update:
    """Make everything that was staged visible at once; nothing staged, nothing happens."""
    from lsr.indexer.writer import CollectionWriter

    with CollectionWriter.open(index) as writer:
        staged = writer.staged
        changed = 0 if staged is None else staged.added + staged.removed
        return _finished(writer, index, changed, stage=False)


def discard_staged(index: Path) -> Update:
    """Forget what was staged."""
    from lsr.indexer.collection import Collection
    from lsr.indexer.staging import discard_staged as forget

    staged = forget(index)
    changed = 0 if staged is None else staged.added + staged.removed
    collection = Collection.open(index)
    return Update(str(index), collection.generation, passages.n_documents(collection), changed)


def merge_index(index: Path, *, full: bool = False, threads: int = 1) -> Update:
    """Join segments and give back the space of deleted documents."""
    from lsr.indexer.collection import Collection
    from lsr.indexer.writer import CollectionWriter

    before = Collection.open(index).n_deleted
    with CollectionWriter.open(index, threads=threads) as writer:
        generation = writer.merge(full=full)
        freed = before - Collection.open(index).n_deleted
        return Update(str(index), generation, _n_documents(writer, index), freed)


@dataclass(frozen=True, slots=True)
class Changing:
    """What changes an index's documents: the encoders of all its fields, and what cuts documents."""

    encoders: Mapping[str, FieldEncoder]
    cutter: PassageCutter | None = None

    def add(self, writer: CollectionWriter, documents: Sequence[DocumentLike]) -> None:
        """Add documents, or replace those whose ids are there, all or none."""
        before = self.counts()
        entries: Sequence[DocumentLike] = documents
        if self.cutter is not None:
            passages.require_distinct(documents)
            entries = [entry for document in documents for entry in self.cutter(document)]
        rows = document_rows(self.encoders, entries, writer)
        if self.cutter is not None:  # what is replaced may have had more passages
            passages.delete_documents(writer, [document.id for document in documents])
        writer.add(entries, rows, counts=self.counts(since=before))

    def delete(self, writer: CollectionWriter, ids: Sequence[str]) -> int:
        """Delete documents; returns how many there were."""
        return writer.delete(ids) if self.cutter is None else passages.delete_documents(writer, ids)

    def counts(self, since: Mapping[str, int] | None = None) -> dict[str, int]:
        """Texts truncated and documents split so far, or since an earlier count."""
        models = [each.encoder for each in self.encoders.values() if isinstance(each, EncodedField)]
        return passages.text_counts(models[0] if models else None, self.cutter, since)


def document_rows(
    encoders: Mapping[str, FieldEncoder], documents: Sequence[DocumentLike], writer: CollectionWriter
) -> dict[str, QueryVectors]:
    """One row a document in every field of the index.

    Raises InvalidArgumentError for a field whose vectors were imported, of which no model is on record.
    """
    imported = [entry.name for entry in writer.fields if entry.name not in encoders]
    if imported:
        raise InvalidArgumentError(
            f"{writer.path}: vectors of the field {imported[0]} were imported, so there is no model to encode"
            " new texts with. Import all vectors anew with `lsr import --overwrite`, or add vectors in Python"
            " with `CollectionWriter`.",
            field="index",
        )
    return {name: encoder.encode_documents(documents, writer) for name, encoder in encoders.items()}


def _finished(writer: CollectionWriter, index: Path, changed: int, *, stage: bool) -> Update:
    if stage:
        writer.stage()
    else:
        writer.commit()
        _join_many(writer)
    return Update(str(index), writer.generation, _n_documents(writer, index), changed, staged=stage)


def _join_many(writer: CollectionWriter) -> None:
    """Join small segments once there are many. Failing to harms nobody: the change itself is committed."""
    if writer.n_segments <= MANY_SEGMENTS:
        return
    try:
        writer.merge()
    except (LsrError, OSError) as error:
        logger.warning("%s: the change is committed, but segments could not be joined: %s", writer.path, error)


def _n_documents(writer: CollectionWriter, index: Path) -> int:
    """Documents, staged ones included; in an index of passages only those committed."""
    from lsr.indexer.collection import Collection

    collection = Collection.open(index)
    return passages.n_documents(collection) if passages.holds_passages(collection) else writer.n_documents
