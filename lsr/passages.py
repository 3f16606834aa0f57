"""Long documents whose best passage stands for them: an index holds each passage as an entry of its own.

An entry is called ``DOCUMENT#NUMBER``, with numbers from 1, and keeps under ``_passage`` in its metadata where
it lies in its document. Everything that adds, deletes, fetches or ranks documents goes through here, so that
people see documents only, each with the score of its best passage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lsr.characters import check_list
from lsr.data.documents import Document
from lsr.errors import DuplicateIdError
from lsr.models import ModelOptions, options_of
from lsr.requests import Passage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lsr.encoders.base import SparseEncoder, TermSpan
    from lsr.encoders.splitting import Splitting
    from lsr.indexer.collection import Collection, Hits
    from lsr.indexer.documents import DocumentLike, StoredDocument
    from lsr.indexer.writer import CollectionWriter

KEY = "_passage"
# Entries looked at for each document wanted; doubled until there are enough documents.
ENTRIES_A_DOCUMENT = 4
DELETED_AT_ONCE = 32

_NAMES_AND_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]+`|[^\W\d][\w-]*(?:\.[\w-]+)*')


def holds_passages(collection: Collection) -> bool:
    return any(options_of(entry.encoder).of_passages for entry in collection.manifest.fields)


def entry_id(document_id: str, number: int) -> str:
    return f"{document_id}#{number}"


def document_of(entry: str) -> str:
    """The id of the document that an entry is a passage of."""
    return entry.rpartition("#")[0]


class PassageCutter:
    """Cuts documents into entries. The title is read before each passage and takes its room, up to half."""

    def __init__(self, splitting: Splitting, spans: Callable[[str], list[TermSpan]]) -> None:
        self._splitting = splitting
        self._spans = spans
        self.n_split = 0

    def __call__(self, document: DocumentLike) -> list[Document]:
        from lsr.encoders.splitting import passages

        ranges = passages(document.text, self._beside(document.title), self._spans)
        self.n_split += len(ranges) > 1
        entries = []
        for number, (start, end) in enumerate(ranges, start=1):
            place = {"of": document.id, "number": number, "count": len(ranges), "start": start, "end": end}
            metadata = {**document.metadata, KEY: place}
            entries.append(
                Document(entry_id(document.id, number), document.text[start:end], document.title, metadata)
            )
        return entries

    def _beside(self, title: str) -> Splitting:
        taken = min(len(self._spans(title)), self._splitting.length // 2) if title else 0
        length = max(1, self._splitting.length - taken)
        return replace(self._splitting, length=length, overlap=min(self._splitting.overlap, length - 1))


def cutter_for(options: ModelOptions, encoder: SparseEncoder) -> PassageCutter | None:
    """What cuts documents for this encoder; None where passages are merged, or nothing is cut.

    Raises InvalidArgumentError for passages that the encoder would cut.
    """
    if not options.of_passages:
        return None
    from lsr.encoders.prepared import check_fits

    splitting = options.splitting(encoder)
    assert splitting is not None
    check_fits(splitting, encoder.describe())
    return PassageCutter(splitting, encoder.spans)


def text_counts(
    encoder: SparseEncoder | None, cutter: PassageCutter | None, since: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Texts truncated and documents split so far, or since an earlier count; term counts read whole texts."""
    if encoder is None:
        return {"truncated": 0, "split": 0}
    statistics = encoder.statistics
    now = {
        "truncated": statistics.truncated,
        "split": statistics.split + (cutter.n_split if cutter is not None else 0),
    }
    return {name: count - (since or {}).get(name, 0) for name, count in now.items()}


def passage_of(stored: StoredDocument) -> Passage | None:
    """Where an entry lies in its document; None for a whole document."""
    place = stored.metadata.get(KEY)
    if not isinstance(place, Mapping):
        return None
    return Passage(**{name: int(place[name]) for name in ("number", "count", "start", "end")})


def metadata_of(stored: StoredDocument) -> Mapping[str, object]:
    """The document's own metadata."""
    if passage_of(stored) is None:
        return stored.metadata
    return {key: value for key, value in stored.metadata.items() if key != KEY}


def document_ids(collection: Collection, numbers: npt.NDArray[np.int64]) -> list[str]:
    """The documents' ids of entries by number."""
    ids = collection.ids(numbers)
    return [document_of(each) for each in ids] if holds_passages(collection) else list(ids)


def has_document(collection: Collection, document_id: str) -> bool:
    entry = entry_id(document_id, 1) if holds_passages(collection) else document_id
    return collection.number_of(entry) is not None


def n_documents(collection: Collection) -> int:
    """Live documents, not entries."""
    if not holds_passages(collection):
        return collection.n_documents
    return collection.n_allowed(f"{KEY}.number = 1")


def entries_of(collection: Collection, document_id: str) -> list[StoredDocument]:
    """A document's entries in order; empty if there is none."""
    first = collection.get(entry_id(document_id, 1))
    if first is None:
        return []
    passage = passage_of(first)
    count = passage.count if passage is not None else 1
    others = (collection.get(entry_id(document_id, number)) for number in range(2, count + 1))
    return [first, *(each for each in others if each is not None)]


def joined_text(entries: Sequence[StoredDocument]) -> str:
    """The whole text of a document out of its passages, which overlap."""
    if len(entries) == 1:
        return entries[0].text
    text = ""
    for entry in entries:
        passage = passage_of(entry)
        text += entry.text[len(text) - (passage.start if passage is not None else 0) :]
    return text


def delete_documents(writer: CollectionWriter, ids: Sequence[str]) -> int:
    """Delete all entries of these documents; returns how many documents there were."""
    check_list(ids, "ids")
    return sum(_delete_one(writer, each) for each in dict.fromkeys(ids))


def filter_of_entries(condition: str) -> str:
    """A filter on documents as one on entries: ``id`` is the document's."""
    return _NAMES_AND_TEXTS.sub(
        lambda found: f"{KEY}.of" if found.group() == "id" else found.group(), condition
    )


def best_passages(search: Callable[[int], list[Hits]], collection: Collection, k: int) -> list[Hits]:
    """The k documents of each query whose best entries score most, as those entries.

    search: the best entries to a depth. Entries come best first, so a document's first is its best, and the
        first k documents are the k best; where fewer than k are among the entries, more are looked at.
    """
    depth = k * ENTRIES_A_DOCUMENT
    while True:
        depth = min(depth, max(1, collection.n_documents))
        found = search(depth)
        best = [_first_of_each_document(collection, hits, k) for hits in found]
        enough = all(len(few) == k or len(hits) < depth for few, hits in zip(best, found, strict=True))
        if enough or depth >= collection.n_documents:
            return best
        depth *= 2


def require_distinct(documents: Sequence[DocumentLike]) -> None:
    """Raise DuplicateIdError if two documents of one batch share an id."""
    seen: set[str] = set()
    for document in documents:
        if document.id in seen:
            raise DuplicateIdError(
                f"document id {document.id!r} occurs twice in one batch; ids must be distinct"
            )
        seen.add(document.id)


@contextmanager
def told_of_documents() -> Iterator[None]:
    """An entry that occurs twice is a document that occurs twice."""
    try:
        yield
    except DuplicateIdError as error:
        raise DuplicateIdError(f"{error} (an entry ID#1 is the first passage of document ID)") from error


def _delete_one(writer: CollectionWriter, document_id: str) -> bool:
    """Entries are numbered without gaps, so the first that is not there is behind the last."""
    number, found = 1, False
    while True:
        wanted = [entry_id(document_id, each) for each in range(number, number + DELETED_AT_ONCE)]
        deleted = writer.delete(wanted)
        found |= deleted > 0
        if deleted < DELETED_AT_ONCE:
            return found
        number += DELETED_AT_ONCE


def _first_of_each_document(collection: Collection, hits: Hits, k: int) -> Hits:
    first: dict[str, int] = {}
    for at, entry in enumerate(collection.ids(hits.numbers)):
        first.setdefault(document_of(entry), at)
        if len(first) == k:
            break
    kept = list(first.values())
    return replace(hits, numbers=hits.numbers[kept], scores=hits.scores[kept])
