"""The pipeline against sums made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from lsr.indexer.documents import DocumentInput
from lsr.indexer.writer import CollectionWriter

from lsr.errors import InvalidArgumentError, ModelMismatchError
from lsr.fields import EncodedField, open_fields
from lsr.indexing import DocumentEncoder, index_documents, plan_index
from lsr.passages import delete_documents
from lsr.pipeline import Pipeline
from lsr.requests import SearchRequest, to_json

if TYPE_CHECKING:
    from lsr.data.documents import Document


def test_the_learned_field_alone_scores_as_by_hand(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("read", fields={"learned": 2.0}))

    # "read" brings in "open" at 0.5. Document "read": 1·1 + 0.5·0.5; "open": 0.5·2; both times the field's 2.
    assert [(hit.id, hit.score) for hit in answer.hits] == [("read", 2.5), ("open", 2.0)]
    assert answer.matched.value == 2
    assert answer.matched.relation == "eq"
    assert [(use.name, use.encoder, use.weight) for use in answer.index.fields] == [("learned", "by-hand", 2.0)]


def test_both_fields_are_summed_by_default_and_scores_split_the_sum(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("read the file"))

    best = answer.hits[0]
    assert best.id == "read"
    assert set(best.scores) == {"learned", "bm25"}
    assert sum(best.scores.values()) == pytest.approx(best.score, rel=1e-12)
    assert best.scores["bm25"] > 0


def test_explanation_adds_up_and_tells_literal_from_expansion(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("read", fields={"learned": 1.0}, explain=True))

    best, second = answer.hits
    assert best.explanation is not None
    assert second.explanation is not None
    assert sum(each.contribution for each in best.explanation) == pytest.approx(best.score)
    assert [(each.term, each.query_kind, each.document_kind) for each in best.explanation] == [
        ("read", "literal", "literal"),
        ("open", "expansion", "expansion"),
    ]
    assert [(each.term, each.query_kind, each.document_kind) for each in second.explanation] == [
        ("open", "expansion", "literal")
    ]
    assert answer.query_terms is not None
    assert [(each.term, each.weight, each.kind) for each in answer.query_terms] == [
        ("read", 1.0, "literal"),
        ("open", 0.5, "expansion"),
    ]


def test_highlights_mark_the_querys_own_words(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("read files", highlight=True))

    best = answer.hits[0]
    assert best.highlights is not None
    title, text = best.document.title or "", best.document.text or ""
    assert [title[span.start : span.end] for span in best.highlights["title"]] == ["Reading", "files"]
    assert [text[span.start : span.end] for span in best.highlights["text"]] == ["Read", "file"]


def test_own_vectors_by_term_and_by_id_are_the_same_query(small_pipeline: Pipeline) -> None:
    by_term = small_pipeline.search(SearchRequest(vectors={"learned": {"read": 1.0, "open": 0.5}}))
    by_id = small_pipeline.search(SearchRequest(vectors={"learned": {0: 1.0, 9: 0.5}}))
    by_text = small_pipeline.search(SearchRequest("read", fields={"learned": 1.0}))

    scores = [[(hit.id, hit.score) for hit in answer.hits] for answer in (by_term, by_id, by_text)]
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        ({"learned": {"unknown": 1.0}}, "no term 'unknown'"),
        ({"learned": {10: 1.0}}, "no term 10"),
        ({"learned": {"read": float("nan")}}, "finite number above 0"),
        ({"learned": {"read": -1.0}}, "finite number above 0"),
        ({"lerned": {"read": 1.0}}, "did you mean 'learned'"),
        ({"bm25": {"read": 0.5}}, "whole numbers"),
        ({}, "at least one field"),
    ],
)
def test_own_vectors_that_cannot_be_searched(
    small_pipeline: Pipeline, vectors: dict[str, dict[str, float]], says: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        small_pipeline.search(SearchRequest(vectors=vectors))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k": 0}, "k must be 1 to"),
        ({"k": 2.5}, "whole number"),
        ({"offset": -1}, "offset must be 0 to"),
        ({"fields": {"learned": float("nan")}}, "finite number above 0"),
        ({"fields": {"learned": -1.0}}, "finite number above 0"),
        ({"fields": {"bm52": 1.0}}, "did you mean 'bm25'"),
        ({"fields": {}}, "at least one field"),
        ({"documents": ("body",)}, "no part is called 'body'"),
        ({"text": None}, "not neither"),
        ({"vectors": {"learned": {"read": 1.0}}}, "not both"),
    ],
)
def test_requests_that_make_no_sense(small_pipeline: Pipeline, options: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        small_pipeline.search(SearchRequest(**{"text": "read", **options}))  # type: ignore[arg-type]


def test_a_bare_string_is_no_request_and_says_what_to_write(small_pipeline: Pipeline) -> None:
    wanted = r"request must be a SearchRequest, not a str; write search\(lsr.SearchRequest\('read', k=10\)\)"
    for call in (small_pipeline.search, small_pipeline.encoded):
        with pytest.raises(InvalidArgumentError, match=wanted):
            call("read")  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["learned", "bm25"])
def test_a_bare_string_is_no_list_of_queries(small_pipeline: Pipeline, field: str) -> None:
    wanted = r"texts must be a list of strings, not one string; for one alone write \['read'\]"
    with pytest.raises(InvalidArgumentError, match=wanted):
        small_pipeline.search_many("read", 3, fields={field: 1.0})
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\] is a NoneType, not a string"):
        small_pipeline.search_many(["read", None], 3, fields={field: 1.0})  # type: ignore[list-item]


def test_a_bare_string_is_no_list_of_fields_or_parts(small_pipeline: Pipeline) -> None:
    with pytest.raises(InvalidArgumentError, match="fields must be a list of strings, not one string"):
        Pipeline.open(small_pipeline.collection.path, fields="bm25")
    with pytest.raises(InvalidArgumentError, match="documents must be a list of strings, not one string"):
        SearchRequest("read", documents="title")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"text": "x", "fields": "bm25"}, "fields must be weights by field, such as"),
        ({"text": "x", "fields": ["bm25"]}, "fields must be weights by field, such as"),
        ({"vectors": "read"}, "vector must be weights by term by field, such as"),
        ({"vectors": {"learned": ["read"]}}, "vector must be weights by term by field, such as"),
    ],
)
def test_weights_that_are_none_say_how_to_write_them(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        SearchRequest(**options)


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ("docs.jsonl", r"not the name 'docs.jsonl'; lsr.data.readers.read_documents\(path\)"),
        (Path("docs.jsonl"), r"not the name 'docs.jsonl'"),
        (["a text"], r"documents\[0\] is a str, not a Document; write lsr.Document\(id, text\)"),
        ([{"id": "a", "text": "b"}], r"documents\[0\] is a dict, not a Document"),
    ],
)
def test_what_are_no_documents_is_refused_by_what_it_is(tmp_path: Path, documents: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        index_documents(documents, tmp_path / "index", DocumentEncoder(plan_index("bm25")))
    assert not (tmp_path / "index").exists()


def test_a_bare_string_is_no_list_of_ids_to_delete(small_pipeline: Pipeline) -> None:
    with CollectionWriter.open(small_pipeline.collection.path) as writer:
        for delete in (writer.delete, partial(delete_documents, writer)):
            with pytest.raises(InvalidArgumentError, match=r"ids must be a list of .*, not one string"):
                delete("read")
        with pytest.raises(InvalidArgumentError, match=r"ids\[0\] is a int, not a string"):
            writer.delete([7])  # type: ignore[list-item]


def test_paging_is_a_window_of_the_whole_ranking(small_pipeline: Pipeline) -> None:
    whole = small_pipeline.search(SearchRequest("open the file to read a date", k=10))
    pages = [
        small_pipeline.search(SearchRequest("open the file to read a date", k=2, offset=at)) for at in (0, 2, 4)
    ]

    assert [hit.id for page in pages for hit in page.hits] == [hit.id for hit in whole.hits]
    assert [hit.rank for page in pages for hit in page.hits] == [hit.rank for hit in whole.hits]
    assert pages[0].matched.relation == "gte"


def test_count_is_exact(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("open the file to read", k=1, count=True))

    assert len(answer.hits) == 1
    assert (answer.matched.value, answer.matched.relation) == (2, "eq")


def test_k_above_the_corpus_returns_all_there_are(small_pipeline: Pipeline) -> None:
    assert len(small_pipeline.search(SearchRequest("file", k=1000)).hits) == 2


def test_a_query_without_a_known_term_matches_nothing_and_says_so(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("xyzzy"))

    assert list(answer.hits) == []
    assert "no term of the query" in answer.warnings[0]


@pytest.mark.parametrize("name", ["query", "filter"])
def test_texts_that_are_none_are_refused_by_name(name: str) -> None:
    for value in (5, b"bytes"):
        wrong: Any = {"text": value} if name == "query" else {"text": "x", "filter": value}
        with pytest.raises(InvalidArgumentError, match=f"{name} must be text, not"):
            SearchRequest(**wrong)


def test_an_empty_question_is_answered_with_a_warning(small_pipeline: Pipeline) -> None:
    for text in ("", "  \n"):
        assert "the question is empty" in small_pipeline.search(SearchRequest(text)).warnings[0]


def test_an_empty_document_is_there_and_never_found(small_pipeline: Pipeline) -> None:
    assert small_pipeline.collection.get("empty") is not None
    answer = small_pipeline.search(SearchRequest("open read file date compress byte", k=10))
    assert "empty" not in [hit.id for hit in answer.hits]


def test_an_index_of_one_document(
    tmp_path: Path, build_index: Callable[..., Pipeline], small_documents: Sequence[Document]
) -> None:
    pipeline = build_index(tmp_path / "one", small_documents[:1])

    assert [hit.id for hit in pipeline.search(SearchRequest("file")).hits] == ["read"]


def test_only_the_parts_asked_for_are_returned(small_pipeline: Pipeline) -> None:
    answer = small_pipeline.search(SearchRequest("read", documents=("title",)))

    assert to_json(answer.hits[0].document) == {"title": "Reading files"}


def test_every_stage_is_timed(small_pipeline: Pipeline) -> None:
    took = small_pipeline.search(SearchRequest("read")).took_ms

    assert set(took) == {"encode", "retrieve", "fetch", "explain", "total"}
    assert took["total"] >= took["encode"] + took["retrieve"] + took["fetch"] + took["explain"] - 0.01


def test_search_many_equals_one_by_one(small_pipeline: Pipeline) -> None:
    texts = ["read a file", "compress", "nothing known"]
    together = small_pipeline.search_many(texts, 3)

    for text, hits in zip(texts, together, strict=True):
        alone = small_pipeline.search(SearchRequest(text, k=3))
        assert small_pipeline.collection.ids(hits.numbers) == [hit.id for hit in alone.hits]
        assert hits.scores.tolist() == [hit.score for hit in alone.hits]


def test_another_model_than_the_indexs_is_refused(small_pipeline: Pipeline, hand_encoder: type) -> None:
    collection = small_pipeline.collection
    for other in (hand_encoder(identity="another"), hand_encoder(terms=("one", "two"))):
        with pytest.raises(ModelMismatchError, match="by-hand"):
            open_fields(collection, ["learned"], encoder=other)


def test_a_field_without_an_encoder_takes_vectors_only(small_pipeline: Pipeline) -> None:
    bare = Pipeline(small_pipeline.collection, {})

    assert bare.search(SearchRequest(vectors={"learned": {"read": 1.0}})).hits
    with pytest.raises(InvalidArgumentError, match="no model for this field"):
        bare.search(SearchRequest("read"))


def test_a_filter_leaves_the_best_of_what_it_allows(small_pipeline: Pipeline) -> None:
    everything = small_pipeline.search(SearchRequest("read the file"))
    some = small_pipeline.search(SearchRequest("read the file", filter='kind = "howto"', count=True))
    none = small_pipeline.search(SearchRequest("read the file", filter='kind = "other"'))

    assert [hit.id for hit in everything.hits] == ["read", "open"]
    assert [(hit.id, hit.score) for hit in some.hits] == [("read", everything.hits[0].score)]
    assert some.matched.value == 1
    assert list(none.hits) == []


def test_a_filter_that_cannot_be_read_names_the_place(small_pipeline: Pipeline) -> None:
    with pytest.raises(InvalidArgumentError, match="filter"):
        small_pipeline.search(SearchRequest("read", filter="kind == = 1"))


@pytest.mark.parametrize(
    ("condition", "warnings"),
    [
        ('kind = "howto" AND id != "zip"', []),
        ('kin = "howto"', ["filter: no document has 'kin'; did you mean 'kind'?"]),
        (
            'NOT (year >= 2020 OR kind IN ("a")) AND `x y` != 1',
            [f"filter: no document has {key!r}; choose from kind" for key in ("x y", "year")],
        ),
    ],
)
def test_a_filter_on_a_key_that_no_document_has_is_warned_of(
    small_pipeline: Pipeline, condition: str, warnings: list[str]
) -> None:
    for _ in range(2):  # the second time its bitmaps are at hand
        assert list(small_pipeline.search(SearchRequest("read", filter=condition)).warnings) == warnings


def test_own_vectors_are_explained_without_a_query_text(small_pipeline: Pipeline) -> None:
    request = SearchRequest(vectors={"learned": {"open": 1.0}}, explain=True, highlight=True)
    for pipeline in (small_pipeline, Pipeline(small_pipeline.collection, {})):
        best, second = pipeline.search(request).hits
        assert (best.id, second.id) == ("open", "read")
        assert best.explanation is not None
        (only,) = best.explanation
        assert (only.term, only.shown, only.query_kind) == ("open", "open", None)
    assert small_pipeline.search(request).hits[1].explanation[0].document_kind == "expansion"  # type: ignore[index]
    highlights = small_pipeline.search(request).hits[0].highlights
    assert highlights is not None
    assert [(span.start, span.end) for span in highlights["text"]] == [(0, 4), (15, 19)]


def test_expansions_name_the_words_they_came_from(small_pipeline: Pipeline) -> None:
    request = SearchRequest("open", fields={"learned": 1.0}, explain=True, highlight=True)
    hit = next(each for each in small_pipeline.search(request).hits if each.id == "read")
    [found] = [each for each in hit.explanation or () if each.term == "open"]
    assert found.document_kind == "expansion"
    assert found.source is not None
    text = getattr(hit.document, found.source.part)
    assert text[found.source.start : found.source.end] == found.source.word == "Read"
    spans = (hit.highlights or {})[found.source.part]
    assert [text[span.start : span.end] for span in spans] == ["Read"]

    without = replace(request, explain=False)
    plain = next(each for each in small_pipeline.search(without).hits if each.id == "read")
    assert plain.highlights == {"title": [], "text": []}


def test_sources_lie_in_title_or_text(hand_encoder: type) -> None:
    field = EncodedField(hand_encoder())
    terms = np.array([field.encoder.vocabulary.id_of(term) for term in ("zip", "file", "date")], np.uint32)
    for title, text in (("zip it", "the file"), ("", "  zip the file"), (" zip", " file")):
        places = field.sources(DocumentInput("a", text, title), terms)
        named = [None if each is None else (text if each.part == "text" else title) for each in places]
        assert named == [title or text, text, None]
        assert [each.word for each in places if each is not None] == ["zip", "file"]
        for each in places:
            if each is not None:
                whole = title if each.part == "title" else text
                assert whole[each.start : each.end] == each.word
