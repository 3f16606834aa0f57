"""Changing an index that exists: documents in, documents out, one commit.

Documents are encoded with the index's own models; one whose id is there already replaces it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.fields import FieldEncoder, QueryVectors, encoder_text, open_fields

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.indexer.documents import DocumentLike
    from lsr.indexer.writer import CollectionWriter

BATCH = 256  # documents encoded and added together


@dataclass(frozen=True, slots=True)
class Update:
    """What a change left behind. changed: documents added or replaced, deleted, or freed by a merge."""

    path: str
    generation: int
    documents: int
    changed: int


def add_documents(
    index: Path,
    documents: Iterable[Document],
    *,
    memory: int | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Update:
    """Add documents, or replace those whose ids are there, and commit.

    memory: of the models, in bytes
    Nothing changes unless all could be read and encoded. Raises ModelMismatchError if the index's models are
    not to be had as they were, IndexLockedError if somebody else is writing.
    """
    from lsr.indexer.collection import Collection
    from lsr.indexer.writer import CollectionWriter

    collection = Collection.open(index)
    names = [info.name for info in collection.fields]
    encoders = open_fields(collection, names, threads=threads, memory=memory)
    with CollectionWriter.open(index, threads=threads or 1) as writer:
        added = 0
        stream = iter(documents)
        while batch := list(islice(stream, BATCH)):
            writer.add(batch, document_rows(encoders, batch, writer))
            added += len(batch)
            progress(len(batch))
        return _update(writer, index, writer.commit(), added)


def delete_documents(index: Path, ids: Sequence[str]) -> Update:
    """Delete documents and commit; ids that are not there are passed over and not counted."""
    from lsr.indexer.writer import CollectionWriter

    with CollectionWriter.open(index) as writer:
        deleted = writer.delete(ids)
        return _update(writer, index, writer.commit(), deleted)


def merge_index(index: Path, *, full: bool = False, threads: int = 1) -> Update:
    """Join segments and give back the space of deleted documents."""
    from lsr.indexer.collection import Collection
    from lsr.indexer.writer import CollectionWriter

    before = Collection.open(index).n_deleted
    with CollectionWriter.open(index, threads=threads) as writer:
        generation = writer.merge(full=full)
        return _update(writer, index, generation, before - Collection.open(index).n_deleted)


def document_rows(
    encoders: Mapping[str, FieldEncoder], documents: Sequence[DocumentLike], writer: CollectionWriter
) -> dict[str, QueryVectors]:
    """One row a document in every field of the index."""
    texts = [encoder_text(document.title, document.text) for document in documents]
    return {name: encoder.encode_documents(texts, writer) for name, encoder in encoders.items()}


def _update(writer: CollectionWriter, index: Path, generation: int, changed: int) -> Update:
    return Update(str(index), generation, writer.n_documents, changed)
