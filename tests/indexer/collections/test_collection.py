from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from lsr.indexer.arrays import open_array, write_array
from lsr.indexer.documents import DocumentTable
from lsr.indexer.storage import FileStorage

from lsr.errors import InvalidArgumentError, ModelMismatchError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary


@pytest.fixture
def three(lab, doc):
    lab.create(
        [
            doc("a", {0: 1.0, 3: 2.0}, "red fish blue fish", {"lang": "en"}),
            doc("b/ü#", {3: 1.5}, "one fish", {"year": 2020}),
            doc("c", {}, ""),
        ]
    )
    return lab


def test_a_search_answers_ids_and_exact_scores(three):
    collection = three.read()
    assert three.answer(collection, {0: 0.5, 3: 1.0}) == [("a", 2.5), ("b/ü#", 1.5)]
    assert three.answer(collection, {0: 0.5, 3: 1.0}, reference=True) == [("a", 2.5), ("b/ü#", 1.5)]
    assert three.answer(collection, {7: 1.0}) == []


def test_counted_scores_follow_the_formula(three):
    collection = three.read()
    average = (4 + 2 + 0) / 3
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    expected = {
        "a": 2 / (2 + 0.9 * (0.6 + 0.4 * 4 / average)) * idf,
        "b/ü#": 1 / (1 + 0.9 * (0.6 + 0.4 * 2 / average)) * idf,
    }
    found = dict(three.answer(collection, {}, "fish", weights={"learned": 0.0}))
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_sum_of_fields_is_weighted_exactly(three):
    collection = three.read()
    queries = three.queries(collection, [{0: 0.5, 3: 1.0}], ["fish blue"])
    alone = {name: dict_of(collection, {name: rows}) for name, rows in queries.items()}
    both = dict_of(collection, queries, weights={"learned": 2.0, "bm25": 1.0})
    for number, score in both.items():
        assert score == pytest.approx(
            2 * alone["learned"].get(number, 0) + alone["bm25"].get(number, 0), rel=1e-6
        )


def test_documents_come_back_as_stored(three):
    collection = three.read()
    document = collection.get("b/ü#")
    assert document is not None
    assert (document.id, document.text, document.title) == ("b/ü#", "one fish", "title b/ü#")
    assert document.metadata == {"year": 2020}
    assert collection.get("missing") is None
    assert [d.id for d in collection.documents([2, 0])] == ["c", "a"]
    assert [d.id for d in collection.all_documents()] == ["a", "b/ü#", "c"]


def test_vectors_come_back_as_stored(three):
    collection = three.read()
    terms, weights = collection.vector(0, "learned")
    assert (terms.tolist(), weights.tolist()) == ([0, 3], [1.0, 2.0])
    [(ids, rows)] = collection.vectors("learned")
    assert ids == ["a", "b/ü#", "c"]
    assert rows.indptr.tolist() == [0, 2, 3, 3]


def test_facts(three):
    collection = three.read()
    assert (collection.generation, collection.n_documents, collection.n_segments) == (1, 3, 1)
    assert collection.size_bytes > 0
    learned, bm25 = collection.fields
    assert (learned.nnz, learned.n_terms) == (3, 12)
    assert (bm25.n_terms, bm25.average_length, bm25.live_length) == (4, 2.0, 2.0)
    assert collection.vocabulary("bm25").terms == ("red", "fish", "blue", "one")
    assert collection.vocabulary("learned").fingerprint == learned.vocabulary_fingerprint


def test_k_above_the_corpus_and_counting(three):
    collection = three.read()
    queries = three.queries(collection, [{3: 1.0}, {0: 1.0}, {}])
    assert [len(hits) for hits in collection.search(queries, 1000)] == [2, 1, 0]
    assert collection.count(queries) == [2, 1, 0]


def test_scores_of_given_documents(three):
    collection = three.read()
    queries = three.queries(collection, [{0: 0.5, 3: 1.0}])
    assert collection.scores([2, 0, 1], queries).tolist() == [0.0, 2.5, 1.5]


def test_loading_into_memory_answers_alike(three):
    assert three.answer(three.read(load="memory"), {3: 1.0}) == three.answer(three.read(), {3: 1.0})


def test_a_large_array_is_mapped_or_copied(lab, doc):
    lab.create([doc(f"d{at}", {at % 12: 1.0 + at, (at + 1) % 12: 1.0}, "w") for at in range(9000)])
    mapped, copied = lab.read(load="map"), lab.read(load="memory")
    assert lab.answer(mapped, {3: 1.0}, "w", k=5) == lab.answer(copied, {3: 1.0}, "w", k=5)
    assert lab.answer(mapped, {3: 1.0}, k=5) == lab.answer(mapped, {3: 1.0}, k=5, reference=True)


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="this kernel has no transparent huge pages"
)
def test_arrays_in_memory_may_have_huge_pages(tmp_path):
    """Private memory, marked for them: shared memory has none by default."""
    values = np.arange(1 << 20, dtype=np.float32)
    write_array(FileStorage(), tmp_path / "values", values)
    held = open_array(tmp_path / "values", load="memory")
    assert np.array_equal(held, values)
    assert {"hg"} <= mapping_flags(held.ctypes.data + held.nbytes // 2)
    assert "sh" not in mapping_flags(held.ctypes.data + held.nbytes // 2)


def mapping_flags(address):
    """What the kernel says of the mapping that holds an address: `hg` huge pages advised, `sh` shared, ..."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(bounds[1], 16) <= address < int(bounds[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return set(line.split()[1:])
    raise AssertionError("no mapping holds the address")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, q: c.search(q, 0), "k must be at least 1, not 0"),
        (lambda c, q: c.search({"other": q["learned"]}), "no field 'other'; this index has learned, bm25"),
        (lambda c, q: c.search({}), "no field is named"),
        (lambda c, q: c.search({"bm25": q["learned"]}), "query it with TermCounts, not SparseVectors"),
        (lambda c, q: c.search(q, weights={"learned": -1.0}), "weight of field learned must be 0 or more"),
        (lambda c, q: c.search(q, weights={"learned": math.nan}), "weight of field learned must be 0 or more"),
        (lambda c, q: c.search(q, weights={"learned": 1e300}), "beyond float32"),
        (lambda c, q: c.documents([99]), "no document with the number 99"),
        (lambda c, q: c.documents([-1]), "no document with the number -1"),
        (lambda c, q: type(c).open(c.path, load="both"), 'load must be "map" or "memory"'),
    ],
)
def test_bad_arguments_are_refused_by_name(three, call, message):
    collection = three.read()
    with pytest.raises(InvalidArgumentError, match=message):
        call(collection, three.queries(collection, [{3: 1.0}]))


def test_vectors_over_another_vocabulary_are_refused(three):
    with pytest.raises(ModelMismatchError, match="vocabulary of 12 terms, the query's vectors have 13"):
        three.read().search({"learned": SparseVectors.empty(1, 13)})


def test_another_model_is_refused_by_name(three):
    collection = three.read()
    vocabulary = collection.vocabulary("learned")
    collection.require_encoder("learned", {"name": "toy", "identity": "abc"}, vocabulary)
    with pytest.raises(
        ModelMismatchError, match=r"encoded by toy .* by other .*same vocabulary, other weights"
    ):
        collection.require_encoder("learned", {"name": "other", "identity": "x"}, vocabulary)
    with pytest.raises(ModelMismatchError, match="toy; toy has another vocabulary"):
        collection.require_encoder("learned", {"name": "toy", "identity": "abc"}, Vocabulary(["x"]))
    with pytest.raises(ModelMismatchError, match="analyzed with"):
        collection.require_encoder("bm25", {"name": "letters"}, None)


def test_rows_of_fields_must_agree(three):
    collection = three.read()
    queries = three.queries(collection, [{3: 1.0}, {0: 1.0}], ["fish"])
    with pytest.raises(InvalidArgumentError, match="one row a query"):
        collection.search(queries)


def dict_of(collection, queries, **options):
    [hits] = collection.search(queries, 100, **options)
    return dict(zip(hits.numbers.tolist(), np.asarray(hits.scores).tolist(), strict=True))


def test_documents_removed_while_they_are_opened_are_missing_and_not_damaged(tmp_path, monkeypatch):
    """A reader reads the manifest again; a writer may remove what it replaced between any two steps."""
    monkeypatch.setattr(Path, "is_file", lambda _: True)  # as it was a moment ago
    with pytest.raises(FileNotFoundError, match=r"documents\.sqlite"):
        DocumentTable(tmp_path / "documents.sqlite", 1)
