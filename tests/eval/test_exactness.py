"""The whole way from texts to hits against brute force by the definition: ids, order and score bits.

The definition: the sum over common terms, fields in order and terms ascending, of
float64(query) · float64(document), both as stored. Documents are those of the built-in sample, which every
machine has, and whole collections in the slow suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from lsr.data.beir import BeirDataset
from lsr.data.documents import Document
from lsr.data.sample import Sample
from lsr.eval.cache import VectorCache, default_cache_folder
from lsr.eval.cached_encoder import CachedEncoder
from lsr.indexer.collection import Collection
from scipy.sparse import csc_matrix, csr_matrix, vstack

from lsr.encoders.loading import load_encoder
from lsr.indexing import COUNTED, LEARNED, DocumentEncoder, IndexPlan, index_documents
from lsr.pipeline import Pipeline

SYSTEMS: Sequence[Mapping[str, float]] = (
    {LEARNED: 1.0},
    {COUNTED: 1.0},
    {LEARNED: 1.0, COUNTED: 1.0},
    {LEARNED: 0.3, COUNTED: 1.7},
)
PASSAGES = 400


class BruteForce:
    """All documents scored one term after the other."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._columns = {info.name: self._by_term(info.name) for info in collection.fields}

    def _by_term(self, field: str) -> csc_matrix:
        chunks = [
            csr_matrix(
                (vectors.weights.astype(np.float64), vectors.terms, vectors.indptr),
                shape=(len(vectors), vectors.vocabulary_size),
            )
            for _, vectors in self._collection.vectors(field)
        ]
        return vstack(chunks, format="csc")

    def scores(self, terms: Sequence[tuple[str, int, float]]) -> tuple[np.ndarray, np.ndarray]:
        """Positions with a common term, and their scores. terms: (field, term, float32 weight), in order."""
        n_documents = self._collection.n_documents
        total, matched = np.zeros(n_documents), np.zeros(n_documents, np.bool_)
        for field, term, weight in terms:
            column = self._columns[field]
            start, end = column.indptr[term], column.indptr[term + 1]
            positions = column.indices[start:end]
            total[positions] += np.float64(weight) * column.data[start:end]
            matched[positions] = True
        positions = np.flatnonzero(matched)
        return positions, total[positions]

    def best(self, terms: Sequence[tuple[str, int, float]], k: int) -> tuple[np.ndarray, np.ndarray]:
        positions, scores = self.scores(terms)
        order = np.lexsort((positions, -scores))[:k]
        return positions[order], scores[order]


def build(documents: Sequence[Document], folder: Path, cache: Path) -> Pipeline:
    plan = IndexPlan("splade-tiny", {LEARNED: 1.0, COUNTED: 1.0})
    encoder = DocumentEncoder(plan, encoder=CachedEncoder(load_encoder("splade-tiny"), VectorCache(cache)))
    index_documents(documents, folder / "index", encoder)
    return encoder.pipeline(Collection.open(folder / "index"))


def check_exact(pipeline: Pipeline, texts: Sequence[str], depths: Sequence[int]) -> None:
    """Every query, every system, every depth: what the pipeline finds is what brute force finds."""
    collection = pipeline.collection
    oracle = BruteForce(collection)
    names = [info.name for info in collection.fields]
    for weights in SYSTEMS:
        vectors = {name: pipeline.encoders[name].encode_queries(texts) for name in weights}
        merged = collection.prepare(vectors, weights=weights)
        found = {k: pipeline.search_many(texts, k, fields=weights, threads=2) for k in depths}
        for at in range(len(texts)):
            fields, terms, values = merged.row(at)
            triples = [
                (names[field], int(term), float(value))
                for field, term, value in zip(fields, terms, values, strict=True)
            ]
            for k in depths:
                positions, scores = oracle.best(triples, k)
                hits = found[k][at]
                assert np.array_equal(hits.numbers - collection.manifest.segments[0].first_number, positions)
                assert hits.scores.tobytes() == scores.tobytes()


def test_the_sample_is_searched_exactly(sample: Sample, tmp_path: Path) -> None:
    dataset = BeirDataset.open(sample.folder)
    documents = list(islice(dataset.documents(), PASSAGES))
    pipeline = build(documents, tmp_path, tmp_path / "cache")
    texts = [query.text for query in dataset.queries[:15]] + [documents[7].encoder_text(), "", "zzzqqq"]
    check_exact(pipeline, texts, [1, 10, 100, PASSAGES + 10])


def test_counted_weights_are_bm25s(sample: Sample, tmp_path: Path) -> None:
    """The oracle above takes the stored weights as given; here they are computed from the texts."""
    from collections import Counter

    from lsr.analysis import Analyzer

    documents = list(islice(BeirDataset.open(sample.folder).documents(), 50))
    pipeline = build(documents, tmp_path, tmp_path / "cache")
    bags = [Counter(Analyzer().tokens(document.encoder_text())) for document in documents]
    average = np.mean([bag.total() for bag in bags])
    vocabulary = pipeline.collection.vocabulary(COUNTED)
    for document, bag in zip(documents, bags, strict=True):
        number = pipeline.collection.number_of(document.id)
        assert number is not None
        terms, weights = pipeline.collection.vector(number, COUNTED)
        norm = 0.9 * (1 - 0.4 + 0.4 * bag.total() / average)
        expected = {term: tf / (tf + norm) for term, tf in bag.items()}
        stored = {vocabulary[int(term)]: float(weight) for term, weight in zip(terms, weights, strict=True)}
        assert stored == pytest.approx(expected, rel=1e-6)
    query = {COUNTED: pipeline.encoders[COUNTED].encode_queries(["file file"])}
    _, terms, values = pipeline.collection.prepare(query).row(0)
    df = sum("file" in bag for bag in bags)
    assert [vocabulary[int(term)] for term in terms] == ["file"]
    assert values[0] == pytest.approx(2 * np.log1p((50 - df + 0.5) / (df + 0.5)), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scifact", "npl", "msmarco-dl"])
def test_a_collection_is_searched_exactly(
    name: str, collection_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    dataset = BeirDataset.open(collection_folder(name))
    pipeline = build(list(dataset.documents()), tmp_path, default_cache_folder())
    check_exact(pipeline, [query.text for query in dataset.queries], [10, 100, 1000])
