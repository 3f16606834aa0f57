"""The analyzer's terms rank as Lucene's do: plain BM25 over whole test collections.

The figures are Lucene's own (pyserini 1.6.0, k1 0.9, b 0.4, Anserini's English analyzer, title + text). What is
left of a difference is Lucene's one byte for a document's length.
"""

from __future__ import annotations

from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import nDCG
from lsr.data.beir import BeirDataset
from scipy.sparse import csr_matrix

from lsr.analysis import Analyzer
from lsr.vocabulary import GrowingVocabulary

pytestmark = pytest.mark.slow
K1, B = 0.9, 0.4
LUCENE = {"scifact": 0.6789, "cranfield": 0.4942, "npl": 0.4368, "adi": 0.4747}


@pytest.mark.parametrize("name", LUCENE)
def test_ndcg_is_lucenes(collection_folder, name):
    assert _ndcg(collection_folder(name), Analyzer()) == pytest.approx(LUCENE[name], abs=0.005)


@pytest.mark.parametrize(
    ("name", "language", "figure"), [("xquad-de", "german", 0.942), ("jsquad", "japanese", 0.938)]
)
def test_other_languages(collection_folder, name, language, figure):
    assert _ndcg(collection_folder(name), Analyzer(language)) == pytest.approx(figure, abs=0.005)


def _ndcg(folder: Path, analyzer: Analyzer) -> float:
    dataset = BeirDataset.open(folder)
    documents = list(dataset.documents())
    scores = _scores([d.encoder_text() for d in documents], [q.text for q in dataset.queries], analyzer)
    run = [
        ir_measures.ScoredDoc(query.id, documents[at].id, row[at])
        for query, row in zip(dataset.queries, scores, strict=True)
        for at in np.lexsort((np.arange(len(row)), -row))[:10]
        if row[at] > 0
    ]
    qrels = [
        ir_measures.Qrel(query, d, grade)
        for query, grades in dataset.qrels.items()
        for d, grade in grades.items()
    ]
    return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10])


def _scores(documents: list[str], queries: list[str], analyzer: Analyzer) -> np.ndarray:
    """BM25 in Lucene's form, shape (queries, documents)."""
    vocabulary = GrowingVocabulary()
    counted = analyzer.count(documents, vocabulary, adding=True)
    asked = analyzer.count(queries, vocabulary, adding=False)
    n_documents, n_terms = len(documents), len(vocabulary)
    lengths = counted.lengths[np.repeat(np.arange(n_documents), np.diff(counted.indptr))]
    impacts = counted.counts / (counted.counts + K1 * (1 - B + B * lengths / counted.lengths.mean()))
    frequencies = np.bincount(counted.terms, minlength=n_terms)
    idf = np.log1p((n_documents - frequencies + 0.5) / (frequencies + 0.5))
    weights = asked.counts * idf[asked.terms]
    query_matrix = csr_matrix(
        (weights, asked.terms.astype(np.int64), asked.indptr), shape=(len(queries), n_terms)
    )
    shape = (n_documents, n_terms)
    document_matrix = csr_matrix((impacts, counted.terms.astype(np.int64), counted.indptr), shape=shape)
    return (query_matrix @ document_matrix.T).toarray()
