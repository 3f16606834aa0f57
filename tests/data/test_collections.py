"""The readers on whole test collections: counts as their README states them."""

from __future__ import annotations

import pytest
from lsr.data.beir import BeirDataset
from lsr.data.estimate import estimate_documents
from lsr.data.report import ReadReport

pytestmark = pytest.mark.slow

COUNTS = {  # documents, queries and judgements of the split
    "scifact": (5_183, 300, 339),
    "cranfield": (1_400, 225, 1_837),
    "npl": (11_429, 93, 2_083),
    "squad-dev": (2_067, 10_529, 10_531),
    "medquad": (16_349, 2_859, 3_286),
    "homedepot": (54_667, 2_358, 14_584),
    "jsquad": (2_304, 4_442, 4_442),
    "xquad-de": (240, 1_190, 1_190),
    "adi": (82, 35, 170),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(collection_folder, name):
    dataset = BeirDataset.open(collection_folder(name))
    report = ReadReport()
    ids = {document.id for document in dataset.documents(report=report)}
    judgements = sum(map(len, dataset.qrels.values()))
    assert (len(ids), len(dataset.queries), judgements) == COUNTS[name]
    assert report.read == len(ids)
    assert report.bytes_read == report.bytes_total
    assert {judged for grades in dataset.qrels.values() for judged in grades} <= ids
    assert estimate_documents(dataset.corpus_path) == pytest.approx(len(ids), rel=0.1)


@pytest.mark.parametrize(("split", "queries", "judgements"), [("dl19", 43, 9_260), ("dl20", 54, 5_157)])
def test_two_years_of_one_collection(collection_folder, split, queries, judgements):
    dataset = BeirDataset.open(collection_folder("msmarco-dl"), split=split)
    assert len(dataset.queries) == queries
    assert sum(map(len, dataset.qrels.values())) == judgements


def test_a_corpus_shared_between_collections(collection_folder):
    dataset = BeirDataset.open(
        collection_folder("wiki-fever"), corpus=collection_folder("wiki-lead") / "corpus.jsonl.xz"
    )
    assert (len(dataset.queries), sum(map(len, dataset.qrels.values()))) == (3_699, 4_021)
    assert sum(1 for _ in dataset.documents()) == 236_404
