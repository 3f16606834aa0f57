"""The scorer against brute force: ids, order and score bits, on every instruction set."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.kernels import FieldView, Searcher, SegmentView, build_lists

from lsr.errors import IndexCorruptError, InvalidArgumentError

N_TERMS = 12


def single(value: float) -> float:
    return float(np.float32(value))


weights = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.75]) | st.floats(1e-6, 1e3).map(single)
vectors = st.dictionaries(st.integers(0, N_TERMS - 1), weights, max_size=N_TERMS)
query_weights = st.sampled_from([1.0, 0.5, 1e-6, 1e6]) | st.floats(1e-6, 1e6).map(single)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Segments, a query, deletes and a filter, small enough for ties and shared terms to be common."""
    n_fields = draw(st.integers(1, 2))
    document = st.lists(vectors, min_size=n_fields, max_size=n_fields)
    segments = draw(st.lists(st.lists(document, max_size=12), min_size=1, max_size=3))
    n = sum(map(len, segments))
    some = st.sets(st.integers(0, max(n - 1, 0)), max_size=n)
    keys = st.tuples(st.integers(0, n_fields - 1), st.integers(0, N_TERMS - 1))
    return {
        "segments": segments,
        "n_fields": n_fields,
        "query": draw(st.dictionaries(keys, query_weights, max_size=8)),
        "k": draw(st.integers(1, 40)),
        "dead": draw(some) if draw(st.booleans()) else set(),
        "allowed": draw(some) if draw(st.booleans()) else None,
    }


def bits(hits: list[tuple[int, float]]) -> list[tuple[int, bytes]]:
    return [(row, struct.pack("<d", score)) for row, score in hits]


def found(answer: tuple[np.ndarray, np.ndarray]) -> list[tuple[int, bytes]]:
    return bits(list(zip(answer[0].tolist(), answer[1].tolist(), strict=True)))


def filters_of(case: dict[str, Any], as_bitmap: Callable[..., np.ndarray]) -> list[np.ndarray] | None:
    if case["allowed"] is None:
        return None
    bases = np.cumsum([0] + [len(segment) for segment in case["segments"]])
    return [
        as_bitmap(len(segment), {row - base for row in case["allowed"] if base <= row < base + len(segment)})
        for base, segment in zip(bases.tolist(), case["segments"], strict=False)
    ]


@given(case=cases())
@settings(deadline=None, max_examples=120)
def test_search_equals_brute_force(
    case: dict[str, Any],
    isa: str,
    collection_of: Callable[..., Any],
    as_arrays: Callable[..., Any],
    as_bitmap: Callable[..., Any],
) -> None:
    collection = collection_of(
        case["segments"], n_fields=case["n_fields"], n_terms=N_TERMS, dead=case["dead"], isa=isa
    )
    query = as_arrays(case["query"])
    expected = bits(collection.brute_force(case["query"], case["k"], case["allowed"]))
    filters = filters_of(case, as_bitmap)
    assert found(collection.searcher.search(*query, case["k"], filter=filters)) == expected
    assert found(collection.searcher.search(*query, case["k"], filter=filters, threads=2)) == expected
    assert found(collection.searcher.reference(*query, case["k"], filter=filters)) == expected
    rows = np.array([row for row, _ in expected], np.int64)
    scored = collection.searcher.scores(rows, *query)
    assert [struct.pack("<d", score) for score in scored.tolist()] == [score for _, score in expected]


@given(case=cases(), threads=st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_a_batch_equals_its_queries(
    case: dict[str, Any], threads: int, collection_of: Callable[..., Any], as_arrays: Callable[..., Any]
) -> None:
    collection = collection_of(case["segments"], n_fields=case["n_fields"], n_terms=N_TERMS, dead=case["dead"])
    queries = [case["query"], {}, dict.fromkeys(case["query"], 1.0)]
    arrays = [as_arrays(query) for query in queries]
    indptr = np.cumsum([0] + [len(fields) for fields, _, _ in arrays]).astype(np.int64)
    fields, terms, values = (np.concatenate(parts) for parts in zip(*arrays, strict=True))
    starts, rows, scores = collection.searcher.search_batch(
        indptr, fields, terms, values, case["k"], threads=threads
    )
    for at, query in enumerate(arrays):
        part = slice(starts[at], starts[at + 1])
        assert found((rows[part], scores[part])) == found(collection.searcher.search(*query, case["k"]))


def random_documents(
    rng: np.random.Generator, n: int, n_terms: int, size: int, n_fields: int = 1
) -> list[list[dict[int, float]]]:
    """Zipfian terms and weights that often tie, a few documents empty."""
    documents = []
    for _ in range(n):
        row = []
        for _ in range(n_fields):
            drawn = np.minimum(rng.zipf(1.3, size=int(rng.integers(0, size))) - 1, n_terms - 1)
            row.append({int(t): float(rng.integers(1, 9)) / 4 for t in np.unique(drawn)})
        documents.append(row)
    return documents


@pytest.mark.parametrize("n_terms", [32_768, 65_536, 250_000])
def test_any_vocabulary_size(
    n_terms: int, isa: str, collection_of: Callable[..., Any], as_arrays: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(n_terms)
    documents = [
        [{int(t): float(rng.random()) + 0.01 for t in {*rng.integers(0, n_terms, size).tolist(), n_terms - 1}}]
        for size in rng.integers(1, 150, 60)  # some fill a vector register, some do not
    ]
    term_type = np.uint16 if n_terms <= 65_536 else np.uint32
    collection = collection_of([documents], n_terms=n_terms, isa=isa, term_type=term_type)
    query = {(0, t): 1.0 + t / n_terms for t in {*documents[3][0], *documents[40][0], 0, n_terms - 1}}
    expected = bits(collection.brute_force(query, 10))
    assert found(collection.searcher.search(*as_arrays(query), 10)) == expected


@pytest.mark.parametrize("n_query_terms", [400, 501, 2000])
def test_long_queries(
    n_query_terms: int, isa: str, collection_of: Callable[..., Any], as_arrays: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(n_query_terms)
    collection = collection_of([random_documents(rng, 120, 3000, 80)], n_terms=3000, isa=isa)
    chosen = rng.choice(3000, n_query_terms, replace=False).tolist()
    query = {(0, term): float(np.float32(10 ** rng.uniform(-6, 6))) for term in chosen}
    for k in (1, 10, 1000):
        expected = bits(collection.brute_force(query, k))
        assert found(collection.searcher.search(*as_arrays(query), k)) == expected


def test_more_hits_wanted_than_there_are_gives_them_all(
    isa: str, collection_of: Callable[..., Any], as_arrays: Callable[..., Any]
) -> None:
    documents = [[{0: 1.0}], [{}], [{1: 1.0}], [{0: 2.0, 1: 1.0}]]
    collection = collection_of([documents], isa=isa)
    rows, scores = collection.searcher.search(*as_arrays({(0, 0): 1.0}), 10_000)
    assert rows.tolist() == [3, 0]
    assert scores.tolist() == [2.0, 1.0]
    assert len(collection.searcher.search(*as_arrays({}), 10)[0]) == 0
    assert len(collection.searcher.search(*as_arrays({(0, 29): 1.0}), 10)[0]) == 0


@pytest.mark.parametrize("weight_type", [np.float16, np.uint8])
def test_reduced_weights_are_scored_as_stored(weight_type: type, isa: str) -> None:
    rng = np.random.default_rng(5)
    indptr = np.arange(0, 321, 8, dtype=np.int64)
    terms = np.tile(np.arange(0, 24, 3, dtype=np.uint16), 40)
    scale = 0.0123 if weight_type is np.uint8 else 1.0
    kept = rng.integers(1, 256, 320).astype(weight_type)
    exact = (kept.astype(np.float32) * np.float32(scale)).astype(np.float64).reshape(40, 8)
    lists = build_lists(indptr, terms, kept, n_terms=24, scale=scale)
    view = SegmentView(40, [FieldView(indptr, terms, kept, lists, scale)])
    query = np.array([0.3, 1.7, 0.9], np.float32)
    rows, scores = Searcher([view], isa=isa).search(
        np.zeros(3, np.uint32), np.array([3, 9, 21], np.uint32), query, 40
    )
    expected = np.zeros(40)
    for column, weight in zip((1, 3, 7), query.astype(np.float64), strict=True):
        expected += weight * exact[:, column]
    order = np.lexsort((np.arange(40), -expected))
    assert rows.tolist() == order.tolist()
    assert scores.tobytes() == expected[order].tobytes()


def test_no_segments_answer_nothing() -> None:
    empty = np.zeros(0, np.uint32)
    rows, scores = Searcher([]).search(empty, empty, np.zeros(0, np.float32), 5)
    assert len(rows) == len(scores) == 0


def test_lists_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, 70_000)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    terms = np.concatenate([np.sort(rng.choice(9, c, replace=False)) for c in counts]).astype(np.uint16)
    values = rng.random(len(terms)).astype(np.float32) + np.float32(0.01)
    one, three = (build_lists(indptr, terms, values, n_terms=9, threads=threads) for threads in (1, 3))
    assert one.keys() == three.keys()
    assert all(one[name].tobytes() == three[name].tobytes() for name in one)


NUMBER_THREE = (np.array([0], np.uint32), np.array([3], np.uint32), np.array([1.0], np.float32))


def one_document() -> FieldView:
    indptr, terms, values = np.array([0, 1], np.int64), np.array([3], np.uint32), np.array([1.0], np.float32)
    return FieldView(indptr, terms, values, build_lists(indptr, terms, values, n_terms=5))


@pytest.mark.parametrize(
    ("query", "k", "says"),
    [
        (([0], [3], [float("nan")]), 1, "weight nan"),
        (([0], [3], [-1.0]), 1, "weight -1"),
        (([0], [3], [0.0]), 1, "above 0"),
        (([0], [3], [1.0]), 0, "k must be at least 1, not 0"),
        (([1], [3], [1.0]), 1, "names field 1, but there are 1"),
        (([0, 0], [3, 3], [1.0, 1.0]), 1, "strictly ascending"),
        (([0, 0], [3], [1.0, 1.0]), 1, "differ in length"),
    ],
)
def test_bad_queries_are_refused(query: tuple[list[Any], ...], k: int, says: str) -> None:
    searcher = Searcher([SegmentView(1, [one_document()])])
    fields, terms, values = query
    with pytest.raises(InvalidArgumentError, match=says):
        searcher.search(*map(np.array, (fields, terms, values), (np.uint32, np.uint32, np.float32)), k)


@pytest.mark.parametrize(
    ("indptr", "terms", "values", "says"),
    [
        ([0, 1], [7], [1.0], "document 0: term 7 is outside the vocabulary of 5"),
        ([0, 2], [2, 2], [1.0, 1.0], "strictly ascending"),
        ([0, 1], [2], [float("inf")], "finite and above 0"),
        ([0, 1], [2], [0.0], "finite and above 0"),
    ],
)
def test_bad_vectors_are_refused(indptr: list[int], terms: list[int], values: list[float], says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        build_lists(
            np.array(indptr, np.int64), np.array(terms, np.uint32), np.array(values, np.float32), n_terms=5
        )


def test_arrays_of_the_wrong_type_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"indptr must be a contiguous .* of int64"):
        build_lists(
            np.array([0, 1], np.int32),  # type: ignore[arg-type]
            np.array([1], np.uint32),
            np.array([1.0], np.float32),
            n_terms=5,
        )


def test_a_missing_row_is_refused() -> None:
    searcher = Searcher([SegmentView(1, [one_document()])])
    with pytest.raises(InvalidArgumentError, match="row 1 does not exist"):
        searcher.scores(np.array([1], np.int64), *NUMBER_THREE)


@pytest.mark.parametrize("name", ["terms", "maxima", "run_starts", "block_rows", "layout", "sparse"])
def test_contradicting_lists_are_refused_at_construction(name: str) -> None:
    whole = one_document()
    cut = {**whole.lists, name: whole.lists[name][:-1]}
    with pytest.raises(IndexCorruptError):
        SegmentView(1, [FieldView(whole.indptr, whole.terms, whole.weights, cut)])
