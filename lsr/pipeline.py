"""From a query to hits: encode → retrieve → fetch → explain.

Each stage is a plain function that could run alone; ``Pipeline`` strings them together over one committed state
of an index and the encoders of its fields, and times them. The command line, the server and the evaluation call
this and nothing else, so that they cannot disagree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lsr import passages
from lsr.characters import check_list, check_strings
from lsr.errors import InvalidArgumentError
from lsr.explaining import QueryView, explain, highlight, places_in, query_terms, score_in_field, terms_of
from lsr.fields import EncodedField, FieldEncoder, Opening, QueryVectors
from lsr.requests import (
    FastUse,
    FieldUse,
    Hit,
    HitDocument,
    IndexUse,
    Matched,
    Mode,
    SearchAnswer,
    SearchRequest,
    TermWeights,
    check_field_weights,
)
from lsr.timing import Stopwatch
from lsr.vectors import SparseVectors, TermCounts
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.indexer.approximation import Approximation
    from lsr.indexer.arrays import Load
    from lsr.indexer.collection import Collection, Hits
    from lsr.indexer.documents import StoredDocument
    from lsr.indexer.fast import Tuned
    from lsr.vocabulary import Vocabulary


MOST_NAMED = 20  # names to choose from, in one message
MOST_SHOWN = 40  # characters of a text in one message
STALE_GROWTH = 1.5  # an index this many times larger or smaller than when it was tuned has to be tuned again


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query as vectors, one row in each field. ``encode_ms`` is what making them took."""

    vectors: Mapping[str, QueryVectors]
    encode_ms: float = 0.0


class Pipeline:
    """Searches one generation of an index. Immutable, safe for threads; ``at`` moves to a newer generation."""

    def __init__(
        self, collection: Collection, encoders: Mapping[str, FieldEncoder], *, opening: Opening | None = None
    ) -> None:
        """encoders: by field; a field without one can be searched with weighted terms only.

        opening: how ``at`` opens models that it may have to load
        """
        self.collection = collection
        self.encoders = encoders
        self._opening = opening or Opening()

    @classmethod
    def open(
        cls,
        index: Path,
        *,
        model: str | None = None,
        queries: str | None = None,
        transform: str | None = None,
        fields: Sequence[str] | None = None,
        device: str = "cpu",
        threads: int | None = None,
        load: Load = "map",
    ) -> Pipeline:
        """Open an index and the encoders of ``fields`` (None: all that have a weight).

        model, queries: use these instead of the model, and the query model or table, that the index names; they
            must make the same vectors
        transform: the function that the index's documents were changed by; an index never runs it by itself
        device, threads: of the model; None leaves the process's setting
        Raises ModelMismatchError if the model at hand is not the one the index was built with.
        """
        from lsr.indexer.collection import Collection

        check_list(fields, "fields")
        collection = Collection.open(index, load=load)
        for name in fields or ():
            _check_field(name, [info.name for info in collection.fields], "fields")
        chosen = fields if fields is not None else list(default_weights(collection))
        opening = Opening(model=model, queries=queries, transform=transform, device=device, threads=threads)
        return cls(collection, opening.fields(collection, chosen), opening=opening)

    def at(self, collection: Collection) -> Pipeline:
        """The same encoders over another generation of the same index.

        Where an alias names another index now, whose fields other models made, those are loaded.
        """
        if _fields_made_by(collection) == _fields_made_by(self.collection):
            encoders = {name: each.at(collection) for name, each in self.encoders.items()}
        else:
            there = replace(self._opening, model=None, queries=None)  # the other index says where its own are
            encoders = there.fields(collection, list(default_weights(collection)))
        return Pipeline(collection, encoders, opening=self._opening)

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Encode if the request is a text, then answer."""
        return self.answer(request, self.encoded(request))

    def encoded(self, request: SearchRequest) -> EncodedQuery:
        """The request's query as vectors: its own, or those of its text."""
        _check_request(request)
        fields = list(self.weights(request))
        if request.vectors is not None:
            return own_vectors(self.collection, request.vectors)
        return self.encode([request.text or ""], fields)[0]

    def search_many(
        self,
        texts: Sequence[str],
        k: int,
        *,
        fields: Mapping[str, float] | None = None,
        mode: Mode = "exact",
        recall: float | None = None,
        threads: int = 1,
    ) -> list[Hits]:
        """The best k of each text as document numbers and scores, without fetching anything."""
        weights = self.summed(fields)
        tuned = tuned_for(self.collection, mode, recall, weights, k)
        vectors = encode(self.encoders, texts, list(weights))
        return retrieve(self.collection, vectors, k, weights, approximation=_settings(tuned), threads=threads)

    def weights(self, request: SearchRequest) -> Mapping[str, float]:
        """What each field weighs in the sum for this request."""
        if request.vectors is None:
            return self.summed(request.fields)
        known = {info.name: info.weight or 1.0 for info in self.collection.fields}
        for name in request.vectors:
            _check_field(name, known, "vector")
        for name in request.fields or {}:
            _check_field(name, request.vectors, "fields")
        return {name: (request.fields or {}).get(name, known[name]) for name in request.vectors}

    def encode(self, texts: Sequence[str], fields: Sequence[str]) -> list[EncodedQuery]:
        """Queries as vectors of ``fields``; texts that come together are encoded together."""
        watch = Stopwatch()
        vectors = encode(self.encoders, texts, fields)
        took = watch.took_ms()["total"]
        return [
            EncodedQuery({name: each.rows(at, at + 1) for name, each in vectors.items()}, took)
            for at in range(len(texts))
        ]

    def answer(self, request: SearchRequest, query: EncodedQuery) -> SearchAnswer:
        """Retrieve, fetch and explain."""
        _check_request(request)
        weights = self.weights(request)
        tuned = tuned_for(self.collection, request.mode, request.recall, weights, request.offset + request.k)
        watch = Stopwatch()
        with watch.stage("retrieve"):
            wanted = self.collection.n_documents if request.count else request.offset + request.k
            found = retrieve(
                self.collection,
                query.vectors,
                wanted,
                weights,
                approximation=_settings(tuned),
                filter=request.filter,
            )[0]
            page = slice(request.offset, request.offset + request.k)
            numbers, scores = found.numbers[page], found.scores[page]
        with watch.stage("fetch"):
            documents = self.collection.documents(numbers)
        with watch.stage("explain"):
            text = request.text if request.explain or request.highlight else None
            views = query_views(self.collection, self.encoders, text, query.vectors, weights)
            hits = [
                _hit(self.collection, request, views, rank=rank, score=float(score), document=document)
                for rank, (document, score) in enumerate(
                    zip(documents, scores, strict=True), start=request.offset + 1
                )
            ]
        matched = len(found.numbers)
        return SearchAnswer(
            hits=hits,
            matched=Matched(matched, "eq" if request.count or matched < wanted else "gte"),
            took_ms={"encode": query.encode_ms, **watch.took_ms(query.encode_ms)},
            index=IndexUse(self.collection.generation, field_uses(self.collection, weights)),
            mode="exact" if tuned is None else "fast",
            fast=None if tuned is None else _fast_use(tuned),
            query_terms=query_terms(views) if request.explain else None,
            warnings=(
                *_warnings(request, query, self.collection.n_documents),
                *_fast_warnings(tuned, request, self.collection.n_documents),
                *_filter_warnings(self.collection, request.filter),
            ),
        )

    def tokens_encoded(self) -> int:
        """Tokens the models have read so far, in all generations that share them."""
        models = [each.encoder for each in self.encoders.values() if isinstance(each, EncodedField)]
        return sum(model.statistics.tokens for model in models)

    def summed(self, fields: Mapping[str, float] | None) -> Mapping[str, float]:
        """What a search of these fields sums, or with None of those recorded in the index."""
        if fields is None:
            return default_weights(self.collection)
        check_field_weights(fields)
        known = [info.name for info in self.collection.fields]
        for name in fields:
            _check_field(name, known, "fields")
        return fields


def _fields_made_by(collection: Collection) -> dict[str, tuple[Mapping[str, object], str]]:
    """What decides whether an encoder fits a field."""
    return {info.name: (dict(info.encoder), info.vocabulary_fingerprint) for info in collection.fields}


def default_weights(collection: Collection) -> dict[str, float]:
    """The weights recorded in the index; a field of weight 0 takes part only when it is named."""
    return {info.name: info.weight for info in collection.fields if info.weight > 0}


def encode(
    encoders: Mapping[str, FieldEncoder], texts: Sequence[str], fields: Sequence[str]
) -> dict[str, QueryVectors]:
    """Query vectors by field, one row a text."""
    check_strings(texts)
    missing = [name for name in fields if name not in encoders]
    if missing:
        raise InvalidArgumentError(
            f"fields.{missing[0]}: there is no model for this field; search it with weighted terms (vector)",
            field=f"fields.{missing[0]}",
        )
    return {name: encoders[name].encode_queries(texts) for name in fields}


def own_vectors(collection: Collection, vectors: Mapping[str, TermWeights]) -> EncodedQuery:
    """The caller's weighted terms as a query. Raises InvalidArgumentError for a term the vocabulary lacks."""
    rows = {}
    for name, weights in vectors.items():
        row = _row_of(name, weights, collection.vocabulary(name))
        rows[name] = row if collection.field(name).kind == "encoded" else _counts_of(name, row)
    return EncodedQuery(rows)


def retrieve(
    collection: Collection,
    vectors: Mapping[str, QueryVectors],
    k: int,
    weights: Mapping[str, float],
    *,
    approximation: Approximation | None = None,
    filter: str | None = None,
    threads: int = 1,
) -> list[Hits]:
    """The best k documents of each row by the weighted sum of the fields, in one pass.

    approximation: settings of the fast mode; None is exact
    filter:        hits are the best of the documents that meet it
    In an index of passages a document's best passage stands for it.
    """
    split = passages.holds_passages(collection)
    condition = None if filter is None else _of_entries(collection, filter)
    least = max(1, min(k, collection.n_documents))
    prepared = collection.prepare(vectors, weights=weights)

    def search(depth: int) -> list[Hits]:
        return collection.search_merged(
            prepared, depth, approximation=approximation, filter=condition, threads=threads
        )

    return passages.best_passages(search, collection, least) if split else search(least)


def tuned_for(
    collection: Collection, mode: Mode | None, recall: float | None, weights: Mapping[str, float], k: int
) -> Tuned | None:
    """What a search in this mode is set to; None for an exact one. Raises NotTunedError."""
    from lsr.indexer.fast import check_mode

    wished = check_mode(mode, recall)
    return None if wished is None else collection.tuned_for(wished, weights, k)


def field_uses(collection: Collection, weights: Mapping[str, float]) -> list[FieldUse]:
    """What was summed, for the answer."""
    named = {info.name: str(info.encoder.get("name", info.name)) for info in collection.fields}
    return [FieldUse(name, named[name], weight) for name, weight in weights.items()]


def query_views(
    collection: Collection,
    encoders: Mapping[str, FieldEncoder],
    text: str | None,
    vectors: Mapping[str, QueryVectors],
    weights: Mapping[str, float],
) -> list[QueryView]:
    """A query's fields as the scorer weighs them, with what an explanation needs."""
    fields, terms, values = collection.prepare(vectors, weights=weights).row(0)
    return [
        QueryView(
            field=info.name,
            row=(terms[fields == at], values[fields == at]),
            vocabulary=collection.vocabulary(info.name),
            literals=None if text is None else terms_of(encoders[info.name], text),
            encoder=encoders.get(info.name),
        )
        for at, info in enumerate(collection.fields)
        if info.name in vectors
    ]


def _hit(
    collection: Collection,
    request: SearchRequest,
    views: Sequence[QueryView],
    *,
    rank: int,
    score: float,
    document: StoredDocument,
) -> Hit:
    rows = {view.field: collection.vector(document.number, view.field) for view in views}
    parts = {"title": document.title, "text": document.text}
    places = places_in(views, parts) if request.explain or request.highlight else {}
    passage = passages.passage_of(document) if passages.holds_passages(collection) else None
    shown = {**parts, "metadata": document.metadata if passage is None else passages.metadata_of(document)}
    explanation = explain(views, document, rows, places) if request.explain else None
    return Hit(
        rank=rank,
        id=document.id if passage is None else passages.document_of(document.id),
        score=score,
        scores={view.field: score_in_field(view, rows[view.field]) for view in views},
        document=HitDocument(**{part: shown[part] for part in request.documents}),  # type: ignore[arg-type]
        explanation=explanation,
        highlights={part: highlight(views, places, part, explanation or ()) for part in parts}
        if request.highlight
        else None,
        passage=passage,
    )


def _row_of(field: str, weights: TermWeights, vocabulary: Vocabulary) -> SparseVectors:
    """Weighted terms as one row. Ids are checked against the vocabulary like terms are."""
    ids: dict[int, float] = {}
    for term, weight in weights.items():
        term_id = term if isinstance(term, int) else vocabulary.id_of(term)
        if term_id is None or not 0 <= term_id < len(vocabulary):
            raise InvalidArgumentError(
                f"vector.{field}: the field's vocabulary of {len(vocabulary):,} terms has no term {term!r};"
                " leave it out, or spell it as a document's vectors do",
                field=f"vector.{field}",
            )
        ids[term_id] = weight
    return SparseVectors.from_id_dicts([ids], len(vocabulary))


def _counts_of(field: str, row: SparseVectors) -> TermCounts:
    """A counted field takes occurrences: the index multiplies them by the idf, as for a text."""
    counts = row.weights.astype(np.uint32)
    if not np.array_equal(counts, row.weights):
        raise InvalidArgumentError(
            f"vector.{field}: this field counts terms; give whole numbers, its idf is applied by the index",
            field=f"vector.{field}",
        )
    return TermCounts(row.indptr, row.terms, counts, np.array([counts.sum()], np.uint32))


def _warnings(request: SearchRequest, query: EncodedQuery, n_documents: int) -> list[str]:
    if n_documents == 0:
        return ["the index holds no documents"]
    if request.text is not None and not request.text.strip():
        return ["the question is empty; a model may add terms even to nothing, so what is found means little"]
    if all(each.nnz == 0 for each in query.vectors.values()):
        return ["no term of the query is known to the index, so nothing can match"]
    return []


def _settings(tuned: Tuned | None) -> Approximation | None:
    return None if tuned is None else tuned.approximation


def _fast_use(tuned: Tuned) -> FastUse:
    return FastUse(tuned.recall, tuned.measured, tuned.approximation.keep, tuned.approximation.gamma)


def _fast_warnings(tuned: Tuned | None, request: SearchRequest, n_documents: int) -> list[str]:
    """Where the measured recall may not hold."""
    if tuned is None:
        return []
    warnings = []
    if request.offset + request.k > tuned.k:
        warnings.append(
            f"fast search was tuned for up to {counted(tuned.k, 'hit')}; deeper, its recall is not known"
        )
    if not tuned.documents / STALE_GROWTH <= n_documents <= tuned.documents * STALE_GROWTH:
        warnings.append(
            f"fast search was tuned on {counted(tuned.documents, 'document')} and the index has"
            f" {n_documents:,} now; run `lsr tune` again"
        )
    return warnings


def _filter_warnings(collection: Collection, condition: str | None) -> list[str]:
    """Keys that no document has; a filter may name them, but then hardly on purpose."""
    if condition is None:
        return []
    unknown = collection.unknown_keys(_of_entries(collection, condition))
    known = [key for key in collection.metadata_keys if not key.startswith(f"{passages.KEY}.")]
    return [f"filter: no document has {key!r}; {_nearest(key, known)}" for key in unknown]


def _of_entries(collection: Collection, condition: str) -> str:
    """A condition on documents as the index's entries hold them."""
    return passages.filter_of_entries(condition) if passages.holds_passages(collection) else condition


def _nearest(name: str, names: Sequence[str]) -> str:
    """Advice to someone who gave an unknown name."""
    if not names:
        return "documents have no metadata here"
    nearest = difflib.get_close_matches(name, names, n=1)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"choose from {', '.join(names[:MOST_NAMED])}{more}"


def _check_request(request: object) -> None:
    if not isinstance(request, SearchRequest):
        shown = repr(request[:MOST_SHOWN]) if isinstance(request, str) else "…"
        raise InvalidArgumentError(
            f"request must be a SearchRequest, not a {type(request).__name__}; write"
            f" search(lsr.SearchRequest({shown}, k=10))",
            field="request",
        )


def _check_field(name: str, known: Iterable[str], where: str) -> None:
    names = list(known)
    if name in names:
        return
    place = f"{where}.{name}"
    raise InvalidArgumentError(f"{place}: there is no such field; {_nearest(name, names)}", field=place)
