"""What one asks of the pipeline and what it answers: plain, immutable records.

The command line, the HTTP server and the evaluation all speak in these; none has words of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from dataclasses import fields as dataclass_fields
from typing import Literal

from lsr.characters import check_characters, check_list
from lsr.errors import InvalidArgumentError

TermWeights = Mapping[str, float] | Mapping[int, float]
"""One query vector of a field: weights by term, or by term id."""

Mode = Literal["exact", "fast"]

Kind = Literal["literal", "expansion"]
"""Whether a term stands in the text (``literal``) or was added by the model (``expansion``)."""

DOCUMENT_PARTS = ("title", "text", "metadata")
MAX_K = 1_000_000
LEAST_WEIGHT, LARGEST_WEIGHT = 1.401298464324817e-45, 3.4028234663852886e38  # what float32 has above 0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search. Either ``text`` or ``vectors`` (the caller's own weighted terms by field) is given.

    k:         hits wanted; asked for more than match, the answer holds all that match
    offset:    best hits to skip before the first one returned
    filter:    only documents that meet this condition on metadata or id may be hits (docs/index.md)
    fields:    weight of each field in the sum; None = the weights recorded in the index. Of ``vectors``,
               every field given is used, each with the index's weight unless one is named here.
    mode:      "exact", or "fast": approximate. None is exact, but on a server with another default
    recall:    with "fast": the share of the exact hits to find, 0.9 to 0.999; 0.99 if None
    explain:   give the terms behind each hit's score
    highlight: mark the query's literal terms in title and text; with ``explain`` also the words that the model
               took its expansions from
    documents: which of title, text and metadata to return
    count:     say exactly how many documents match, which costs a scan of all of them
    """

    text: str | None = None
    vectors: Mapping[str, TermWeights] | None = None
    k: int = 10
    offset: int = 0
    filter: str | None = None
    fields: Mapping[str, float] | None = None
    mode: Mode | None = None
    recall: float | None = None
    explain: bool = False
    highlight: bool = False
    documents: Sequence[str] = DOCUMENT_PARTS
    count: bool = False

    def __post_init__(self) -> None:
        _check_query(self.text, self.vectors)
        for name, text in (("query", self.text), ("filter", self.filter)):
            _check_text(name, text)
        _check_count("k", self.k, least=1)
        _check_count("offset", self.offset, least=0)
        check_field_weights(self.fields)
        check_list(self.documents, "documents")
        _check_mode(self.mode, self.recall)
        for part in self.documents:
            if part not in DOCUMENT_PARTS:
                raise InvalidArgumentError(
                    f"documents: no part is called {part!r}; choose from {', '.join(DOCUMENT_PARTS)}",
                    field="documents",
                )


@dataclass(frozen=True, slots=True)
class SourceWord:
    """The word of a document that gave a term its weight: characters ``start`` to ``end`` of ``part``."""

    part: Literal["title", "text"]
    start: int
    end: int
    word: str


@dataclass(frozen=True, slots=True)
class TermContribution:
    """One term's share of a hit's score: contribution = query_weight · document_weight.

    term:          as the vocabulary spells it, for use in ``vectors``; shown: as a person reads it
    query_weight:  as scored: with the field's weight and, in a counted field, the idf
    query_kind:    None when the query came as weighted terms, without a text
    source:        the document's word that the model took the term from; None where there is no such word
    """

    field: str
    term: str
    shown: str
    query_weight: float
    document_weight: float
    contribution: float
    query_kind: Kind | None
    document_kind: Kind
    source: SourceWord | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of a text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """The passage that was found: ``number`` of ``count``, characters ``start`` to ``end`` of the text."""

    number: int
    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class HitDocument:
    """The parts of a document that were asked for; the others are None."""

    title: str | None = None
    text: str | None = None
    metadata: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``scores`` splits ``score`` by field.

    passage: in an index of passages, the one whose score is the document's; ``document`` holds its text
    """

    rank: int
    id: str
    score: float
    scores: Mapping[str, float]
    document: HitDocument
    explanation: Sequence[TermContribution] | None = None
    highlights: Mapping[str, Sequence[Span]] | None = None
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A field that took part: what it was encoded with and its weight in the sum."""

    name: str
    encoder: str
    weight: float


@dataclass(frozen=True, slots=True)
class IndexUse:
    """The committed state that answered, and the fields that were summed."""

    generation: int
    fields: Sequence[FieldUse]


@dataclass(frozen=True, slots=True)
class FastUse:
    """How an approximate answer was found.

    recall:      wished for; measured_recall: found when these settings were tuned, on queries not used for it
    keep, gamma: the scorer's settings (docs/engine.md)
    """

    recall: float
    measured_recall: float
    keep: float
    gamma: float


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A term the query was scored with."""

    field: str
    term: str
    shown: str
    weight: float
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class Matched:
    """How many documents match: exactly (``eq``) or at least (``gte``) ``value``."""

    value: int
    relation: Literal["eq", "gte"]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Hits, best first, and how they came about.

    mode:        "exact": these are the best hits; "fast": some may be missing, as ``fast`` says
    query_terms: what the query was scored with, heaviest first; only when an explanation was asked for
    took_ms:     milliseconds by stage, and ``total``
    """

    hits: Sequence[Hit]
    matched: Matched
    took_ms: Mapping[str, float]
    index: IndexUse
    mode: Mode = "exact"
    fast: FastUse | None = None
    query_terms: Sequence[QueryTerm] | None = None
    warnings: Sequence[str] = field(default_factory=tuple)


def to_json(value: object) -> object:
    """Plain JSON values of a record; parts that were not asked for (None) are left out.

    Metadata is the caller's own and passes unchanged.
    """
    if is_dataclass(value) and not isinstance(value, type):
        parts = ((part.name, getattr(value, part.name)) for part in dataclass_fields(value))
        return {name: part if name == "metadata" else to_json(part) for name, part in parts if part is not None}
    if isinstance(value, Mapping):
        return {key: to_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    return value


def parse_weights(value: str | None, name: str) -> dict[str, float] | None:
    """``learned=1,bm25=0.5`` or ``bm25`` as weights by field; None stays None.

    name: what the caller calls this value, for messages
    Raises InvalidArgumentError that shows the part at fault.
    """
    if value is None:
        return None
    weights: dict[str, float] = {}
    for part in value.split(","):
        field_name, equals, number = part.strip().partition("=")
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            raise InvalidArgumentError(
                f"{name}: {part.strip()!r} is not NAME=WEIGHT; write for example learned=1,bm25=0.5", field=name
            ) from None
        if not field_name or field_name in weights:
            problem = "names a field twice" if field_name else "lacks a field's name"
            raise InvalidArgumentError(f"{name}: {value!r} {problem}", field=name)
        weights[field_name] = weight
    check_field_weights(weights)
    return weights


def check_field_weights(weights: Mapping[str, float] | None) -> None:
    """Raise InvalidArgumentError unless every weight is a finite number > 0 and there is at least one."""
    if weights is None:
        return
    if not isinstance(weights, Mapping):
        raise InvalidArgumentError(
            f'fields must be weights by field, such as {{"bm25": 1.0}}, not {weights!r}', field="fields"
        )
    if not weights:
        raise InvalidArgumentError("fields: name at least one field, or leave it out", field="fields")
    for name, weight in weights.items():
        if not math.isfinite(weight) or weight <= 0:
            raise InvalidArgumentError(
                f"fields.{name}: a weight must be a finite number above 0, not {weight}; "
                "leave a field out to not search it",
                field=f"fields.{name}",
            )


def _check_text(name: str, text: str | None) -> None:
    if text is not None and not isinstance(text, str):
        raise InvalidArgumentError(f"{name} must be text, not {text!r}", field=name)
    check_characters(text or "", name)


def _check_query(text: str | None, vectors: Mapping[str, TermWeights] | None) -> None:
    if (text is None) == (vectors is None):
        raise InvalidArgumentError(
            "give either a query text or weighted terms (vector), not "
            + ("both" if text is not None else "neither"),
            field="query",
        )
    if vectors is not None and not (isinstance(vectors, Mapping) and all(map(_is_mapping, vectors.values()))):
        raise InvalidArgumentError(
            'vector must be weights by term by field, such as {"bm25": {"wing": 1.0}}', field="vector"
        )
    if vectors is not None and not vectors:
        raise InvalidArgumentError("vector: give the weighted terms of at least one field", field="vector")
    for name, weights in (vectors or {}).items():
        for term, weight in weights.items():
            if not LEAST_WEIGHT <= weight <= LARGEST_WEIGHT:
                raise InvalidArgumentError(
                    f"vector.{name}: the weight of term {term!r} must be a finite number above 0 that float32"
                    f" can hold, not {weight}; leave a term out to not search it",
                    field=f"vector.{name}",
                )


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _check_mode(mode: Mode | None, recall: float | None) -> None:
    """A recall without a mode is left to whoever knows the default."""
    from lsr.indexer.fast import check_mode, check_recall

    check_mode(mode, recall if mode is not None else None)
    if recall is not None:
        check_recall(recall)


def _check_count(name: str, value: int, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentError(f"{name} must be a whole number, not {value!r}", field=name)
    if not least <= value <= MAX_K:
        raise InvalidArgumentError(f"{name} must be {least} to {MAX_K:,}, not {value}", field=name)
