"""One document by its id, with the terms it is indexed with if they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
    """Raises DocumentNotFoundError if no live document has this id."""
    stored = collection.get(document_id)
    if stored is None:
        raise DocumentNotFoundError(f"the index has no document with the id {document_id!r}")
    by_field = {info.name: _terms(collection, stored.number, info.name) for info in collection.fields}
    return DocumentAnswer(stored.id, stored.title, stored.text, stored.metadata, by_field if vectors else None)


def _terms(collection: Collection, number: int, field: str) -> dict[str, float]:
    terms, weights = collection.vector(number, field)
    vocabulary = collection.vocabulary(field)
    return {vocabulary[int(terms[at])]: float(weights[at]) for at in np.lexsort((terms, -weights))}
