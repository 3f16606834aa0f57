"""Why a hit scored what it did, term by term, and where the query's words stand in its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lsr.encoders.display import TermDisplay
from lsr.fields import FieldEncoder, Place
from lsr.requests import Kind, QueryTerm, Span, TermContribution
from lsr.vectors import Float32Array, UInt32Array
from lsr.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lsr.indexer.documents import DocumentLike

# Of a hit's score: what a term must contribute for the word behind it to be marked.
MARKED_SHARE = 0.02

Places = Mapping[str, Mapping[str, Sequence[Place]]]
"""By field and part of a document: the terms that stand there."""

Row = tuple[UInt32Array, Float32Array]
"""Term ids, ascending, and their weights."""


@dataclass(frozen=True, eq=False)
class QueryView:
    """One field's part of a query, as it is scored.

    row:      weights with the field's weight in the sum and, in a counted field, the idf
    literals: terms of the query's text; None if the query came as weighted terms
    encoder:  None where none was opened; then every term of a document counts as literal
    """

    field: str
    row: Row
    vocabulary: Vocabulary
    literals: frozenset[int] | None
    encoder: FieldEncoder | None

    def kind(self, term: int) -> Kind | None:
        return None if self.literals is None else _kind(term, self.literals)

    def shown(self, term: int) -> str:
        return _display_of(self.vocabulary)(self.vocabulary[term])

    @cached_property
    def marked(self) -> frozenset[int]:
        """Terms whose words are highlighted: those of the query's own text that it was scored with."""
        terms = frozenset(self.row[0].tolist())
        return terms if self.literals is None else terms & self.literals


def terms_of(encoder: FieldEncoder, text: str) -> frozenset[int]:
    """The field's terms that stand in a text."""
    return frozenset(place.term for place in encoder.places(text))


def query_terms(views: Sequence[QueryView]) -> list[QueryTerm]:
    """What the query was scored with, heaviest first."""
    terms = [
        QueryTerm(view.field, view.vocabulary[term], view.shown(term), weight, view.kind(term))
        for view in views
        for term, weight in zip(view.row[0].tolist(), view.row[1].tolist(), strict=True)
    ]
    return sorted(terms, key=lambda each: -each.weight)


def score_in_field(view: QueryView, document: Row) -> float:
    """The field's share of a document's score: float64 products, summed in term order."""
    _, here, there = np.intersect1d(view.row[0], document[0], assume_unique=True, return_indices=True)
    return float(np.dot(view.row[1][here].astype(np.float64), document[1][there].astype(np.float64)))


def places_in(views: Sequence[QueryView], parts: Mapping[str, str]) -> Places:
    """Where each field's terms stand in a document's parts (title, text); the costly step, so done once."""

    def places(view: QueryView, text: str) -> list[Place]:
        return [] if view.encoder is None else view.encoder.places(text)

    return {view.field: {part: places(view, text) for part, text in parts.items()} for view in views}


def explain(
    views: Sequence[QueryView], document: DocumentLike, rows: Mapping[str, Row], places: Places
) -> list[TermContribution]:
    """Every term that counted, largest contribution first. Runs the models once on the document.

    rows: the hit's vector by field
    """
    found = [
        each for view in views for each in _contributions(view, document, rows[view.field], places[view.field])
    ]
    return sorted(found, key=lambda each: -each.contribution)


def highlight(
    views: Sequence[QueryView], places: Places, part: str, contributions: Sequence[TermContribution] = ()
) -> list[Span]:
    """Where the query's own terms stand in one part, in order and without overlaps.

    Pieces of one word that touch are one span.
    contributions: words behind those that count are marked as well
    """
    total = sum(each.contribution for each in contributions)
    words = [
        (each.source.start, each.source.end)
        for each in contributions
        if each.source is not None and each.source.part == part and each.contribution >= MARKED_SHARE * total
    ]
    literal = [
        (place.start, place.end)
        for view in views
        for place in places[view.field][part]
        if place.term in view.marked
    ]
    wanted = sorted({*literal, *words})
    joined: list[tuple[int, int]] = []
    for start, end in wanted:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return [Span(start, end) for start, end in joined]


def _contributions(
    view: QueryView, document: DocumentLike, row: Row, places: Mapping[str, Sequence[Place]]
) -> list[TermContribution]:
    common, here, there = np.intersect1d(view.row[0], row[0], assume_unique=True, return_indices=True)
    standing = frozenset(place.term for part in places.values() for place in part)
    literals = standing if view.encoder is not None else frozenset(common.tolist())
    sources = [None] * len(common) if view.encoder is None else view.encoder.sources(document, common)
    weights = (view.row[1][here].tolist(), row[1][there].tolist())
    products = zip(common.tolist(), *weights, sources, strict=True)
    return [
        TermContribution(
            field=view.field,
            term=view.vocabulary[term],
            shown=view.shown(term),
            query_weight=query_weight,
            document_weight=document_weight,
            contribution=query_weight * document_weight,
            query_kind=view.kind(term),
            document_kind=_kind(term, literals),
            source=source,
        )
        for term, query_weight, document_weight, source in products
    ]


@lru_cache(maxsize=8)
def _display_of(vocabulary: Vocabulary) -> TermDisplay:
    """Found by looking at every term, so kept for the vocabularies in use."""
    return TermDisplay.of(vocabulary)


def _kind(term: int, literals: frozenset[int]) -> Kind:
    return "literal" if term in literals else "expansion"
