"""Builds with ``reorder``: the same answers from documents in another order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.reordering import ReorderedRows, reordered
from lsr.indexer.rows import live_chunks
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import UnfinishedBuildError

SOURCE = {"path": "corpus.jsonl", "sha256": "1234"}
SMALL = 2048  # bytes: several shards and segments


def corpus(doc, n, rng):
    """Documents of four topics in turn, so that an order by topic is another one."""
    docs = []
    for at in range(n):
        topic = at % 4
        terms = [topic * 3 + int(term) for term in rng.choice(3, 2, replace=False)]
        weights = rng.choice([0.5, 1.0, 1.5, 2.0], 2).tolist()
        words = " ".join(f"w{topic}{int(each)}" for each in rng.integers(0, 5, 4))
        docs.append(doc(f"d{at}", dict(zip(terms, weights, strict=True)), words, {"topic": topic}))
    return docs


def answers(asked, vector, words="", **options):
    """Of all documents: where scores are equal, the order of documents decides."""
    found = asked.answer(asked.read(), vector, words, 1000, **options)
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))


@pytest.mark.parametrize("storage", ["float32", "float16", "uint8"])
def test_answers_are_those_of_the_order_as_added(lab, make_lab, tmp_path, doc, rng, storage):
    docs = corpus(doc, 300, rng)
    plain = make_lab(tmp_path / "plain")
    plain.create(docs, fields={"storage": storage})
    lab.create(docs, fields={"storage": storage}, reorder=True, threads=2)
    for vector, words in (({0: 1.0, 4: 0.5}, "w00 w12"), ({11: 2.0}, ""), ({}, "w33")):
        for filter_ in (None, "topic = 1"):
            wanted = answers(plain, vector, words, filter=filter_)
            assert answers(lab, vector, words, filter=filter_) == wanted
    collection = lab.read()
    assert collection.manifest.reordered
    assert not plain.read().manifest.reordered
    assert [stored.id for stored in collection.all_documents()] != [each.id for each in docs]
    topic = [stored.metadata["topic"] for stored in collection.all_documents()]
    assert np.count_nonzero(np.diff(topic)) < 30
    assert verify_index(lab.path, full=True).sound


def test_a_document_keeps_what_belongs_to_it(lab, doc, rng):
    docs = corpus(doc, 120, rng)
    lab.create(docs, reorder=True)
    collection = lab.read()
    for each in docs:
        stored = collection.get(each.id)
        assert (stored.id, stored.text, stored.metadata) == (each.id, each.words, each.metadata)
    numbers = [stored.number for stored in collection.all_documents()]
    assert numbers == list(range(120))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([SMALL, 1 << 30]))
def test_changes_after_it_are_as_always(tmp_path_factory, make_lab, doc, seed, n, memory):
    rng = np.random.default_rng(seed)
    docs = corpus(doc, n, rng)
    lab, plain = (make_lab(tmp_path_factory.mktemp("reordered") / name) for name in ("lab", "plain"))
    for each, options in ((lab, {"reorder": True}), (plain, {})):
        with CollectionWriter.create(each.path, each.fields(), memory=memory, **options) as writer:
            for start in range(0, n, 10):
                each.add(writer, docs[start : start + 10])
            writer.commit()
        assert memory > SMALL or n < 50 or each.read().n_segments > 1
        with each.open() as writer:
            writer.delete([docs[0].id])
            each.add(writer, [doc("new", {0: 3.0}, "w00"), doc(docs[-1].id, {1: 2.5}, "w01")])
            writer.commit()
            writer.merge(full=True)
    for vector, words in (({0: 1.0, 1: 0.5, 9: 1.0}, "w00 w01"), ({5: 1.0}, "w10")):
        assert answers(lab, vector, words) == answers(plain, vector, words)
    assert lab.read().manifest.reordered


def test_an_interrupted_build_goes_on(lab, doc, rng):
    docs = corpus(doc, 90, rng)
    with pytest.raises(KeyboardInterrupt), create(lab, reorder=True) as writer:
        lab.add(writer, docs[:40])
        raise KeyboardInterrupt
    with pytest.raises(UnfinishedBuildError, match="reordered: True then, None now"):
        create(lab, resume=True)
    with create(lab, reorder=True, resume=True) as writer:
        assert writer.records_done == 40
        lab.add(writer, docs[40:])
        writer.delete([docs[3].id])
        writer.commit()
    ids = [stored.id for stored in lab.read().all_documents()]
    assert sorted(ids) == sorted(each.id for each in docs if each is not docs[3])
    assert not (lab.path / "building").exists()


def create(lab, **options):
    return CollectionWriter.create(lab.path, lab.fields(), source=SOURCE, **options)


def test_rows_come_from_several_sources(lab, doc, rng):
    """Two shards and what waits in memory, some of it dead."""
    docs = corpus(doc, 70, rng)
    with CollectionWriter.create(lab.path, lab.fields()) as writer:
        for start in (0, 30, 55):
            lab.add(writer, docs[start : start + 25 + start % 2])
            if start < 55:
                writer.checkpoint()
        writer.delete([docs[1].id, docs[40].id, docs[60].id])
        sources = writer._uncommitted.sources()
        rows = reordered(sources, writer.fields, threads=1)
        expected = {id_: at for at, id_ in enumerate(id_ for part in rows.documents() for id_ in part.ids)}
        assert isinstance(rows, ReorderedRows)
        assert rows.numbers.tolist() == sorted(set(rows.numbers.tolist()))
        assert len(expected) == len(rows.numbers)
        by_id = {each.id: each for each in docs}
        [vectors] = live_chunks([rows], "learned")
        for id_, at in expected.items():
            row = vectors.rows(at, at + 1)
            assert dict(zip(row.terms.tolist(), row.values.tolist(), strict=True)) == by_id[id_].vector
        assert [row.id for row in rows.fetch([3, 0, 3])] == [
            next(id_ for id_, at in expected.items() if at == place) for place in (3, 0, 3)
        ]
