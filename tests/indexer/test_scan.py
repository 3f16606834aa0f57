"""The fast paths on collections large enough to take them, against the reference scorer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from lsr.indexer.kernels import Approximation, FieldView, Searcher, SegmentView, build_lists

from lsr.errors import InvalidArgumentError

N_TERMS = 3000


class Vectors(NamedTuple):
    indptr: np.ndarray
    terms: np.ndarray
    weights: np.ndarray


class Query(NamedTuple):
    fields: np.ndarray
    terms: np.ndarray
    weights: np.ndarray


def zipfian(rng: np.random.Generator, n: int, size: int) -> Vectors:
    """n vectors of up to `size` distinct terms, frequent ones first, as a SPLADE encoder's are distributed."""
    ranks = np.exp(rng.random((n, size)) * np.log(N_TERMS)).astype(np.int64) - 1
    ranks.sort(axis=1)
    kept = np.ones_like(ranks, bool)
    kept[:, 1:] = ranks[:, 1:] != ranks[:, :-1]
    kept &= rng.random((n, 1)) > 0.01  # some documents are empty
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    weights = rng.gamma(2.0, 0.4, kept.sum()).astype(np.float32) + np.float32(0.01)
    return Vectors(indptr, ranks[kept].astype(np.uint16), weights)


def segment_of(fields: list[Vectors]) -> SegmentView:
    views = [FieldView(*vectors, build_lists(*vectors, n_terms=N_TERMS, threads=2)) for vectors in fields]
    return SegmentView(len(fields[0].indptr) - 1, views)


def queries(rng: np.random.Generator, n: int, n_fields: int = 1) -> list[Query]:
    made = []
    for _ in range(n):
        keys = {
            (int(rng.integers(n_fields)), int(np.exp(rng.random() * np.log(N_TERMS))) - 1)
            for _ in range(rng.integers(1, 25))
        }
        fields, terms = np.array(sorted(keys), np.uint32).T
        weights = (10 ** rng.uniform(-1.5, 0.7, len(keys))).astype(np.float32)
        made.append(Query(np.ascontiguousarray(fields), np.ascontiguousarray(terms), weights))
    return made


@pytest.fixture(scope="module")
def large() -> list[SegmentView]:
    """Three segments: several tiles with block rows, less than a tile, and a few documents."""
    rng = np.random.default_rng(7)
    return [segment_of([zipfian(rng, n, 24)]) for n in (110_003, 20_000, 70)]


def check(
    searcher: Searcher, query: Query, k: int, threads: int = 1, filters: list[np.ndarray] | None = None
) -> None:
    rows, scores = searcher.search(*query, k, filter=filters, threads=threads)
    expected_rows, expected_scores = searcher.reference(*query, k, filter=filters)
    assert rows.tolist() == expected_rows.tolist()
    assert scores.tobytes() == expected_scores.tobytes()


def bitmaps(rng: np.random.Generator, segments: list[SegmentView], share: float) -> list[np.ndarray]:
    return [
        np.packbits(rng.random((view.n_documents + 63) // 64 * 64) < share, bitorder="little").view(np.uint64)
        for view in segments
    ]


@pytest.mark.parametrize("k", [1, 10, 100, 1000, 5000])
def test_equals_the_reference(large: list[SegmentView], isa: str, k: int) -> None:
    searcher = Searcher(large, isa=isa)
    for query in queries(np.random.default_rng(k), 8):
        check(searcher, query, k)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_a_query(large: list[SegmentView], threads: int) -> None:
    searcher = Searcher(large)
    for query in queries(np.random.default_rng(threads), 8):
        check(searcher, query, 20, threads)


@pytest.mark.parametrize("n", [3_000, 110_000])
@pytest.mark.parametrize("k", [40, 100, 1000])
def test_documents_that_only_their_exact_scores_tell_apart(isa: str, n: int, k: int) -> None:
    """Bounds are rounded up by anything from nothing to a whole code, and scores lie within less than that: a
    document's bound says nothing of its place, so the best may be those of the least bounds."""
    rng = np.random.default_rng(41)
    n_terms = 12
    codes = 120 + rng.integers(0, 2, (n, n_terms))
    short = np.where(rng.random((n, n_terms)) < 0.5, 0.01, 0.99)  # of the code, when rounded up
    weights = ((codes - short) / 255.0).astype(np.float32)
    weights[0] = 1.0  # sets every term's scale
    terms = np.tile(np.arange(n_terms, dtype=np.uint16), n)
    indptr = np.arange(n + 1, dtype=np.int64) * n_terms
    searcher = Searcher([segment_of([Vectors(indptr, terms, weights.ravel())])], isa=isa)
    for _ in range(4):
        fields = np.zeros(n_terms, np.uint32)
        factors = (10 ** rng.uniform(-1.0, 0.5, n_terms)).astype(np.float32)
        check(searcher, Query(fields, np.arange(n_terms, dtype=np.uint32), factors), k)


def ordered(rng: np.random.Generator, n: int, *, descending: bool) -> SegmentView:
    """Documents whose best for any query stand at one end: as if sorted by relevance."""
    vectors = zipfian(rng, n, 24)
    documents = np.repeat(np.arange(n), np.diff(vectors.indptr))
    rise = documents / n
    factor = (2.0 - rise if descending else 1.0 + rise) ** 3
    return segment_of([vectors._replace(weights=(vectors.weights * factor).astype(np.float32))])


@pytest.mark.parametrize("spread", [0.0, 0.2], ids=["like each other", "apart"])
def test_many_tiles(isa: str, spread: float) -> None:
    """More and less of a tile is read at once as it pays, so every way through one follows every other."""
    rng = np.random.default_rng(37)
    vectors = zipfian(rng, 300_001, 12)
    documents = np.repeat(np.arange(300_001), np.diff(vectors.indptr))
    factor = np.exp(spread * np.sin(documents / 20_000)).astype(np.float32)
    view = segment_of([vectors._replace(weights=vectors.weights * factor)])
    searcher = Searcher([view], isa=isa)
    for query in queries(rng, 12):
        for k in (10, 300, 3000):
            check(searcher, query, k)
    searcher = Searcher([view], bitmaps(rng, [view], 0.7), isa=isa)
    for query in queries(rng, 4):
        check(searcher, query, 100, threads=2)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("k", [10, 100, 1000])
def test_the_best_documents_at_one_end(isa: str, descending: bool, k: int) -> None:
    """No tile tells what the next ones hold: not those with the best, nor those that a filter leaves empty."""
    rng = np.random.default_rng(29)
    view = ordered(rng, 140_000, descending=descending)
    live = bitmaps(rng, [view], 0.9)
    filters = bitmaps(rng, [view], 0.5)
    filters[0][len(filters[0]) // 4 :] = 0  # only documents of the first tiles
    for query in queries(rng, 6):
        check(Searcher([view], isa=isa), query, k)
        check(Searcher([view], live, isa=isa), query, k, threads=2)
        check(Searcher([view], live, isa=isa), query, k, filters=filters)


def test_a_term_of_the_first_tile_alone(isa: str) -> None:
    vectors = zipfian(np.random.default_rng(31), 140_000, 24)
    kept = (vectors.terms != 0) | (np.arange(len(vectors.terms)) < vectors.indptr[30_000])
    indptr = np.concatenate([[0], np.cumsum(kept)])[vectors.indptr].astype(np.int64)
    searcher = Searcher([segment_of([Vectors(indptr, vectors.terms[kept], vectors.weights[kept])])], isa=isa)
    query = Query(np.zeros(1, np.uint32), np.array([0], np.uint32), np.ones(1, np.float32))
    for k in (10, 1000, 30_000):
        check(searcher, query, k)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02, 0.001, 0.0])
def test_filters_and_deletes(large: list[SegmentView], isa: str, share: float) -> None:
    rng = np.random.default_rng(11)
    filters = bitmaps(rng, large, share)
    searcher = Searcher(large, bitmaps(rng, large, 0.9), isa=isa)
    for query in queries(rng, 4):
        check(searcher, query, 10)
        check(searcher, query, 10, filters=filters)
        check(searcher, query, 300, filters=filters)


def test_two_fields_in_one_pass(isa: str) -> None:
    rng = np.random.default_rng(13)
    segments = [segment_of([zipfian(rng, n, 20), zipfian(rng, n, 8)]) for n in (40_000, 900)]
    searcher = Searcher(segments, isa=isa)
    for query in queries(rng, 10, n_fields=2):
        check(searcher, query, 10)
        check(searcher, query, 500)


@pytest.mark.parametrize("k", [10, 1000])
def test_weights_far_apart(large: list[SegmentView], isa: str, k: int) -> None:
    """A term whose every contribution is below one unit of the accumulators still matches."""
    searcher = Searcher(large, isa=isa)
    rare, frequent = N_TERMS - 2, 1
    query = Query(
        np.zeros(2, np.uint32), np.array([frequent, rare], np.uint32), np.array([1e-6, 1e6], np.float32)
    )
    check(searcher, query, k)


@pytest.mark.parametrize("n_terms", [256, 500, 600])
def test_many_terms(large: list[SegmentView], isa: str, n_terms: int) -> None:
    rng = np.random.default_rng(n_terms)
    terms = np.sort(rng.choice(N_TERMS, n_terms, replace=False)).astype(np.uint32)
    query = Query(
        np.zeros(n_terms, np.uint32), terms, rng.random(n_terms).astype(np.float32) + np.float32(1e-3)
    )
    check(Searcher(large, isa=isa), query, 10)


def test_every_weight_at_its_largest(isa: str) -> None:
    """The sum that comes nearest to 16 bits: 500 terms, all at code 255, in the same document."""
    n_terms, n = 500, 4096
    indptr = np.arange(n + 1, dtype=np.int64) * n_terms
    vectors = Vectors(indptr, np.tile(np.arange(n_terms, dtype=np.uint16), n), np.ones(n * n_terms, np.float32))
    searcher = Searcher([segment_of([vectors])], isa=isa)
    query = Query(np.zeros(500, np.uint32), np.arange(500, dtype=np.uint32), np.ones(500, np.float32))
    check(searcher, query, 10)


@pytest.mark.parametrize("n_terms", [65_534, 65_535, 65_536])
def test_a_query_of_the_whole_vocabulary(isa: str, n_terms: int) -> None:
    """Documents are matched with some terms that the query has not, if there is one of 16 bits."""
    rng = np.random.default_rng(5)
    n, size = 2000, 40
    terms = np.sort(rng.integers(0, 65_536 // size, (n, size)) + np.arange(size) * (65_536 // size), axis=1)
    vectors = Vectors(
        np.arange(n + 1, dtype=np.int64) * size,
        terms.astype(np.uint16).ravel(),
        rng.gamma(2.0, 0.4, n * size).astype(np.float32) + np.float32(0.01),
    )
    segment = SegmentView(n, [FieldView(*vectors, build_lists(*vectors, n_terms=65_536))])
    asked = np.sort(rng.permutation(65_536)[:n_terms]).astype(np.uint32)
    query = Query(np.zeros(n_terms, np.uint32), asked, rng.gamma(2.0, 0.4, n_terms).astype(np.float32) + 0.01)
    few = np.zeros((n + 63) // 64, np.uint64)
    few[[3, 17]] = 0b101  # so few that they are scored one by one, by the fast path
    check(Searcher([segment], isa=isa), query, 10, filters=[few])


@pytest.mark.parametrize("k", [10, 1000])
def test_an_approximation_that_leaves_nothing_out_is_exact(large: list[SegmentView], isa: str, k: int) -> None:
    searcher = Searcher(large, isa=isa)
    for query in queries(np.random.default_rng(k + 1), 8):
        rows, scores = searcher.search(*query, k, approximation=Approximation(keep=1.0, gamma=1.0))
        expected_rows, expected_scores = searcher.reference(*query, k)
        assert rows.tolist() == expected_rows.tolist()
        assert scores.tobytes() == expected_scores.tobytes()


@pytest.mark.parametrize(("keep", "gamma"), [(0.8, 0.9), (0.5, 1.0), (1e-9, 1.0), (1.0, 0.5)])
@pytest.mark.parametrize("share", [1.0, 0.01])
def test_approximate_hits_are_as_many_and_have_exact_scores(
    large: list[SegmentView], isa: str, keep: float, gamma: float, share: float
) -> None:
    rng = np.random.default_rng(17)
    searcher = Searcher(large, isa=isa)
    filters = bitmaps(rng, large, share)
    for query, k in zip(queries(rng, 6), [1, 10, 10, 300, 1000, 200_000], strict=True):
        rows, scores = searcher.search(*query, k, filter=filters, approximation=Approximation(keep, gamma))
        best, _ = searcher.reference(*query, k, filter=filters)
        assert len(set(rows.tolist())) == len(best)
        assert scores.tobytes() == searcher.scores(rows, *query).tobytes()
        assert rows.tolist() == sorted(rows.tolist(), key=dict(zip(rows, -scores, strict=True)).__getitem__)
        allowed = np.concatenate(
            [np.unpackbits(words.view(np.uint8), bitorder="little") for words in filters[:1]]
        )
        assert all(allowed[row] for row in rows if row < large[0].n_documents)


def test_an_approximation_may_miss_documents(large: list[SegmentView]) -> None:
    """The knobs do something: with next to nothing read, some of the best are not found."""
    searcher = Searcher(large)
    missed = 0
    for query in queries(np.random.default_rng(19), 20):
        rows, _ = searcher.search(*query, 10, approximation=Approximation(keep=0.1))
        missed += len(set(searcher.reference(*query, 10)[0].tolist()) - set(rows.tolist()))
    assert missed > 0


def test_a_batch_is_approximated_like_its_queries(large: list[SegmentView]) -> None:
    searcher = Searcher(large)
    made = queries(np.random.default_rng(23), 10)
    indptr = np.cumsum([0] + [len(query.terms) for query in made]).astype(np.int64)
    batch = [np.concatenate(arrays) for arrays in zip(*made, strict=True)]
    approximation = Approximation(0.6, 0.9)
    starts, rows, _ = searcher.search_batch(indptr, *batch, 10, approximation=approximation, threads=2)
    for at, query in enumerate(made):
        alone, _ = searcher.search(*query, 10, approximation=approximation)
        assert rows[starts[at] : starts[at + 1]].tolist() == alone.tolist()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"keep": 0.0}, "keep"),
        ({"keep": 1.1}, "keep"),
        ({"gamma": -1.0}, "gamma"),
        ({"gamma": np.nan}, "gamma"),
    ],
)
def test_shares_outside_their_range_are_refused(arguments: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{named} must be above 0 and at most 1, not"):
        Approximation(**arguments)


@pytest.mark.parametrize("n", [100_001, 100_007, 100_060])
def test_the_best_document_is_the_last_of_an_unfinished_block(isa: str, n: int) -> None:
    """A block's bound stands for 8 documents, also where fewer are left."""
    rng = np.random.default_rng(n)
    vectors = zipfian(rng, n - 1, 24)
    best = Vectors(
        np.append(vectors.indptr, vectors.indptr[-1] + 2),
        np.append(vectors.terms, np.array([0, 1], np.uint16)),
        np.append(vectors.weights, np.array([7.0, 7.0], np.float32)),
    )
    query = Query(np.zeros(2, np.uint32), np.array([0, 1], np.uint32), np.ones(2, np.float32))
    searcher = Searcher([segment_of([best])], isa=isa)
    for k in (1, 10):
        check(searcher, query, k)
