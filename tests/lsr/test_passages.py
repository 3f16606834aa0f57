"""Indexes of passages: what is found is the document, by its best passage; against scoring every passage."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from lsr.data.documents import Document
from lsr.indexer.collection import Collection
from lsr.indexer.writer import CollectionWriter

from lsr import passages
from lsr.describing import describe
from lsr.encoders.splitting import Splitting, split
from lsr.errors import DocumentNotFoundError, DuplicateIdError, InvalidArgumentError
from lsr.fetching import fetch_document
from lsr.fields import cutter_of
from lsr.indexing import COUNTED, LEARNED, DocumentEncoder, IndexPlan, index_documents
from lsr.models import ModelOptions
from lsr.pipeline import Pipeline
from lsr.requests import SearchRequest
from lsr.updating import Changing

OPTIONS = ModelOptions(split="sentences", passage_length=4, overlap=1, passages="best")
WORDS = ("read", "file", "line", "compress", "byte", "zip", "date", "parse")


def sentences(seed: int, count: int) -> str:
    rng = random.Random(seed)
    return " ".join(f"{' '.join(rng.choices(WORDS, k=rng.randint(1, 5)))}." for _ in range(count))


DOCUMENTS = [Document(f"d{at}", sentences(at, at % 7), "zip" if at % 3 else "", {"n": at}) for at in range(40)]


@pytest.fixture
def build(tmp_path: Path, hand_encoder: Callable[[], object]) -> Callable[..., Pipeline]:
    def build(documents: Sequence[Document], weights: dict[str, float] | None = None) -> Pipeline:
        plan = IndexPlan("by-hand", weights or {LEARNED: 1.0}, options=OPTIONS)
        encoder = DocumentEncoder(plan, encoder=hand_encoder())  # type: ignore[arg-type]
        index_documents(documents, tmp_path / "index", encoder)
        return encoder.pipeline(Collection.open(tmp_path / "index"))

    return build


@pytest.mark.parametrize("k", [1, 3, 10, 100])
def test_documents_are_ranked_by_their_best_passage(
    build: Callable[..., Pipeline], hand_encoder: Callable[[], object], k: int
) -> None:
    pipeline, encoder = build(DOCUMENTS), hand_encoder()
    query = "read the file and zip the date"
    [wanted] = encoder.encode_queries([query]).to_scipy().toarray()  # type: ignore[attr-defined]
    best = {}
    for document in DOCUMENTS:
        length = 4 - (1 if document.title else 0)
        texts = split(document.text, Splitting(length, 1), encoder.spans)  # type: ignore[attr-defined]
        rows = encoder.encode_documents([f"{document.title} {text}" for text in texts])  # type: ignore[attr-defined]
        scores = rows.to_scipy().toarray() @ wanted
        best[document.id] = (float(scores.max()), int(scores.argmax()) + 1)
    expected = sorted((each for each in best if best[each][0] > 0), key=lambda each: -best[each][0])[:k]
    answer = pipeline.search(SearchRequest(query, k=k, count=True))
    assert [hit.score for hit in answer.hits] == pytest.approx([best[each][0] for each in expected])
    for hit in answer.hits:
        assert hit.passage is not None
        assert (hit.score, hit.passage.number) == (pytest.approx(best[hit.id][0]), best[hit.id][1])
    assert len({hit.id for hit in answer.hits}) == len(answer.hits)
    assert answer.matched.value == sum(score > 0 for score, _ in best.values())


def test_the_answer_tells_which_passage(build: Callable[..., Pipeline]) -> None:
    text = "Read it line by line. Then parse the date. Finally zip every byte."
    pipeline = build(
        [Document("a#1", text, "", {"lang": "en"}), Document("b", "parse")], {LEARNED: 1, COUNTED: 1}
    )
    [hit] = pipeline.search(SearchRequest("zip a byte", explain=True, highlight=True)).hits
    assert hit.id == "a#1"
    assert hit.passage is not None
    assert (
        hit.document.text
        == text[hit.passage.start : hit.passage.end]
        == "Then parse the date. Finally zip every byte."
    )
    assert (hit.passage.number, hit.passage.count) == (2, 2)
    assert hit.document.metadata == {"lang": "en"}
    marked = [hit.document.text[span.start : span.end] for span in (hit.highlights or {})["text"]]
    assert marked == ["zip", "byte"]
    found = fetch_document(pipeline.collection, "a#1", vectors=True)
    assert (found.text, found.metadata) == (text, {"lang": "en"})
    assert found.vectors is not None
    assert {"read", "parse", "zip"} <= set(found.vectors[LEARNED])
    with pytest.raises(DocumentNotFoundError):
        fetch_document(pipeline.collection, "a")


def test_filters_name_documents(build: Callable[..., Pipeline]) -> None:
    pipeline = build(DOCUMENTS)

    def ids(condition: str) -> set[str]:
        return {hit.id for hit in pipeline.search(SearchRequest("zip read", k=50, filter=condition)).hits}

    assert ids('id IN ("d5", "d6")') == {"d5", "d6"}
    assert "d5" not in ids('id != "d5"')
    assert ids("n >= 38") == {"d38", "d39"}
    given = 'a = "id" AND `id` = 1 AND id = "x" AND b.id = 2 AND metadata.id = 3'
    assert passages.filter_of_entries(given) == given.replace('id = "x"', '_passage.of = "x"')


def test_counts_are_of_documents(build: Callable[..., Pipeline]) -> None:
    facts = describe(build(DOCUMENTS).collection)
    assert facts.documents == 40
    assert facts.passages is not None
    assert facts.passages > 60
    assert facts.split is not None
    assert 20 < facts.split < 40
    assert facts.truncated == 0


def test_documents_are_replaced_and_deleted_with_all_their_passages(build: Callable[..., Pipeline]) -> None:
    pipeline = build([*DOCUMENTS, Document("long", sentences(9, 90))])
    changing = Changing(pipeline.encoders, cutter_of(pipeline.collection, pipeline.encoders))
    with CollectionWriter.open(pipeline.collection.path) as writer:
        changing.add(writer, [Document("d6", "parse"), Document("new", "zip. " * 9)])
        assert changing.delete(writer, ["long", "d5", "absent", "long"]) == 2
        writer.commit()
    after = pipeline.at(pipeline.collection.refresh())
    assert passages.n_documents(after.collection) == 40
    assert fetch_document(after.collection, "d6").text == "parse"
    gone = SearchRequest("zip", filter='id IN ("long", "d5", "d6")')
    assert [hit.id for hit in after.search(gone).hits] == []
    assert len(passages.entries_of(after.collection, "new")) == 3


def test_ids_that_occur_twice(build: Callable[..., Pipeline]) -> None:
    with pytest.raises(DuplicateIdError, match=r"'d1#1' occurs twice.*first passage of document ID"):
        build([*DOCUMENTS, DOCUMENTS[1]])
    pipeline = build(DOCUMENTS)
    changing = Changing(pipeline.encoders, cutter_of(pipeline.collection, pipeline.encoders))
    with (
        CollectionWriter.open(pipeline.collection.path) as writer,
        pytest.raises(DuplicateIdError, match="'x' occurs twice in one batch"),
    ):
        changing.add(writer, [Document("x", "zip"), Document("x", "read")])


@pytest.mark.parametrize("name", ["passage_length", "overlap", "passages"])
def test_settings_of_passages_need_a_split(name: str) -> None:
    value = "best" if name == "passages" else 5
    with pytest.raises(InvalidArgumentError, match=f"{name}: documents are not split"):
        ModelOptions(**{name: value})  # type: ignore[arg-type]


def test_a_model_without_a_length_needs_one_for_passages(hand_encoder: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgumentError, match="passage_length: this model reads documents of any length"):
        ModelOptions(split="sentences").splitting(hand_encoder())  # type: ignore[arg-type]
