"""One document by its id, with the terms it is indexed with if they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsr import passages
from lsr.errors import DocumentNotFoundError

if TYPE_CHECKING:
    from lsr.indexer.collection import Collection


@dataclass(frozen=True, slots=True)
class DocumentAnswer:
    """A stored document. vectors: weight by term in every field, heaviest first; None if not asked for."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, object]
    vectors: Mapping[str, Mapping[str, float]] | None = None


def fetch_document(collection: Collection, document_id: str, *, vectors: bool = False) -> DocumentAnswer:
    """Raises DocumentNotFoundError if no live document has this id.

    In an index of passages the text is the whole one, and a term's weight the largest in any passage.
    """
    if passages.holds_passages(collection):
        entries = passages.entries_of(collection, document_id)
    else:
        entries = [each for each in [collection.get(document_id)] if each is not None]
    if not entries:
        raise DocumentNotFoundError(f"the index has no document with the id {document_id!r}")
    numbers = [entry.number for entry in entries]
    return DocumentAnswer(
        document_id,
        entries[0].title,
        passages.joined_text(entries),
        passages.metadata_of(entries[0]),
        {info.name: _terms(collection, numbers, info.name) for info in collection.fields} if vectors else None,
    )


def _terms(collection: Collection, numbers: Sequence[int], field: str) -> dict[str, float]:
    vocabulary = collection.vocabulary(field)
    weight_of: dict[int, float] = {}
    for number in numbers:
        terms, weights = collection.vector(number, field)
        for term, weight in zip(terms.tolist(), weights.tolist(), strict=True):
            weight_of[term] = max(weight, weight_of.get(term, 0.0))
    heaviest_first = sorted(weight_of, key=lambda term: (-weight_of[term], term))
    return {vocabulary[term]: weight_of[term] for term in heaviest_first}
