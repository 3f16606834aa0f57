from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsr.indexer.kernels import bisected_order, heaviest_terms

from lsr.errors import IndexCorruptError, InvalidArgumentError

NONE = 2**32 - 1


def rows_of(vectors, *, term_type=np.uint32):
    indptr = np.cumsum([0] + [len(vector) for vector in vectors]).astype(np.int64)
    pairs = [pair for vector in vectors for pair in sorted(vector.items())]
    terms = np.array([term for term, _ in pairs], term_type)
    return indptr, terms, np.array([weight for _, weight in pairs], np.float32)


def topics(n_topics: int, n_each: int, rng: np.random.Generator) -> tuple[list[dict[int, float]], np.ndarray]:
    """Documents of some topics, 40 terms each of 60 that a topic has, shuffled; and their topics."""
    topic = rng.permutation(np.repeat(np.arange(n_topics), n_each))
    vectors = [
        {int(each) * 60 + int(term): 1.0 for term in rng.choice(60, 40, replace=False)} for each in topic
    ]
    return vectors, topic


@pytest.mark.parametrize("term_type", [np.uint16, np.uint32])
def test_the_heaviest_terms_are_kept(term_type):
    vectors = [{term: float(term % 37 + 1) for term in range(50)}, {}, {9: 1.0, 4: 2.0}]
    heaviest = heaviest_terms(*rows_of(vectors, term_type=term_type))
    kept = sorted(sorted(vectors[0], key=lambda term: (-vectors[0][term], term))[:32])
    assert heaviest.tolist() == [kept, [NONE] * 32, [4, 9] + [NONE] * 30]


@given(
    st.lists(st.dictionaries(st.integers(0, 40), st.sampled_from([0.5, 1.0, 2.0]), max_size=40), max_size=120)
)
def test_every_document_has_one_place(vectors):
    heaviest = heaviest_terms(*rows_of(vectors))
    order = bisected_order(heaviest.copy())
    assert sorted(order.tolist()) == list(range(len(vectors)))
    for threads in (2, 3, 8):
        assert bisected_order(heaviest.copy(), threads=threads).tolist() == order.tolist()


def test_documents_of_a_topic_come_together():
    vectors, topic = topics(16, 256, np.random.default_rng(3))
    order = bisected_order(heaviest_terms(*rows_of(vectors)), threads=2)
    borders = np.count_nonzero(np.diff(topic[order]))
    assert np.count_nonzero(np.diff(topic)) > 3000
    assert borders < 60  # 15 if it were perfect


def test_what_cannot_be_read_is_refused():
    indptr, terms, weights = rows_of([{1: 1.0}, {2: 1.0}])
    with pytest.raises(IndexCorruptError, match=r"the vector of document 1 lies at \[1, 9\)"):
        heaviest_terms(np.array([0, 1, 9]), terms, weights)
    with pytest.raises(InvalidArgumentError, match="32 terms a document"):
        bisected_order(np.zeros(33, np.uint32))
    assert bisected_order(heaviest_terms(indptr[:1], terms[:0], weights[:0])).tolist() == []
