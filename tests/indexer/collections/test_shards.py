"""However documents reach a commit, through memory or through shards on disk, the index is the same."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexCorruptError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

N = 12


def some_documents(doc):
    return [
        doc(f"d{at}", {at: 1.5, (at + 5) % 12: 0.25 + at}, f"w{at % 3} all", {"n": at, "tags": ["a", at % 2]})
        for at in range(N)
    ]


def arrays(lab):
    """Every file of the index's segments but the tables, whose bytes also count how often they were written."""
    return {
        path.relative_to(lab.path).as_posix(): path.read_bytes() for path in lab.path.glob("segments/*/*.arr")
    }


cuts = st.lists(st.sampled_from(["add", "checkpoint"]), min_size=N - 1, max_size=N - 1)


@given(cuts=cuts, deleted=st.sets(st.integers(0, N - 1), max_size=3), chunk=st.sampled_from([1, 5, 100]))
@settings(max_examples=30, deadline=None)
def test_shards_and_batches_leave_no_trace(cuts, deleted, chunk, doc, make_lab, tmp_path_factory):
    docs, folder = some_documents(doc), tmp_path_factory.mktemp("shards")
    split, whole = make_lab(folder / "split"), make_lab(folder / "whole")
    with pytest.MonkeyPatch.context() as patch, CollectionWriter.create(split.path, split.fields()) as writer:
        patch.setattr("lsr.indexer.rows.CHUNK_ROWS", chunk)
        for document, step in zip(docs, [*cuts, "add"], strict=True):
            split.add(writer, [document])
            if step == "checkpoint":
                writer.checkpoint()
        writer.delete([docs[at].id for at in deleted])
        writer.commit()
    with CollectionWriter.create(whole.path, whole.fields()) as writer:
        whole.add(writer, docs)
        writer.delete([docs[at].id for at in deleted])
        writer.commit()
    assert arrays(split) == arrays(whole)
    assert list(split.read().all_documents()) == list(whole.read().all_documents())


@pytest.mark.parametrize("n_terms", [2**16, 2**16 + 1])
def test_the_last_term_of_a_vocabulary_goes_through_a_shard(tmp_path, n_terms):
    """Terms take two bytes each in a shard, where that is enough."""
    field = FieldSpec("learned", "encoded", Vocabulary([f"t{at}" for at in range(n_terms)]))
    rows = SparseVectors.from_id_dicts([{0: 1.0, n_terms - 1: 2.0}], n_terms)
    with CollectionWriter.create(tmp_path / "index", [field]) as writer:
        writer.add([DocumentInput("a")], {"learned": rows})
        writer.checkpoint()
        [shard] = writer._uncommitted.shards
        assert shard.forward("learned").terms.dtype == (np.uint16 if n_terms == 2**16 else np.uint32)
        assert shard.forward("learned").terms.tolist() == [0, n_terms - 1]
        writer.commit()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("damage", ["DELETE FROM documents", "UPDATE documents SET metadata = '{'"])
def test_a_damaged_shard_is_found_at_the_commit(lab, doc, damage, threads):
    """Its checksum was right when it was written or taken up; this one was damaged since."""
    with CollectionWriter.create(lab.path, lab.fields(), threads=threads) as writer:
        lab.add(writer, some_documents(doc))
        writer.checkpoint()
        [table] = lab.path.glob("building/*/documents.sqlite")
        connection = sqlite3.connect(table)
        connection.execute(f"{damage} WHERE position = 3")
        connection.commit()
        connection.close()
        with pytest.raises(IndexCorruptError, match=r"documents.*Discard the build"):
            writer.commit()
    assert not (lab.path / "manifest.json").exists()
