"""Queries and judgements, and the folder that holds them."""

from __future__ import annotations

import pytest
from lsr.data.beir import BeirDataset
from lsr.data.documents import Document, Query
from lsr.data.queries import read_qrels, read_queries

from lsr.errors import DuplicateIdError, EmptySourceError, InputError, SourceNotFoundError

CORPUS = '{"_id": "d1", "title": "", "text": "one"}\n{"_id": "d2", "text": "two"}\n'
QUERIES = '{"_id": "q1", "text": "who?"}\n{"_id": "q2", "text": "why?", "metadata": {}}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n"


@pytest.mark.parametrize("name", ["queries.jsonl", "queries.jsonl.gz"])
def test_queries_from_json_lines(write, name):
    assert read_queries(write(name, QUERIES)) == [Query("q1", "who?"), Query("q2", "why?")]


@pytest.mark.parametrize("header", ["", "qid\tquery\n"])
@pytest.mark.parametrize("name", ["queries.tsv", "queries.tsv.xz"])
def test_queries_from_tsv(write, name, header):
    assert read_queries(write(name, header + "1\twho?\n2\twhy\tso?\r\n")) == [
        Query("1", "who?"),
        Query("2", "why\tso?"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.jsonl", '{"_id": "q1"}\n', r'q.jsonl:1: no field "text"; this record has "_id"'),
        ("q.jsonl", QUERIES + "{\n", r"q.jsonl:3: invalid JSON"),
        ("q.jsonl", '{"_id": "q", "text": 1}\n', r'q.jsonl:1: field "text" must be text'),
        ("q.tsv", "only\n", r"q.tsv:1: expected `id<TAB>text`"),
    ],
)
def test_broken_queries(write, name, content, message):
    with pytest.raises(InputError, match=message):
        read_queries(write(name, content))


@pytest.mark.parametrize(("name", "content"), [("q.jsonl", QUERIES * 2), ("q.tsv", "1\ta\n1\tb\n")])
def test_a_query_id_twice(write, name, content):
    with pytest.raises(DuplicateIdError, match=r"q.\w+:\d: the query id .* stands a second time"):
        read_queries(write(name, content))


def test_no_queries(write):
    with pytest.raises(EmptySourceError, match="no queries"):
        read_queries(write("q.jsonl", "\n"))


@pytest.mark.parametrize("content", [QRELS, "q1\td1\t1\nq1\td2\t0\n", "q1 0 d1 1\nq1 0 d2 0\n", QRELS + "\n"])
def test_judgements_as_beir_or_trec_write_them(write, content):
    assert read_qrels(write("test.tsv", content)) == {"q1": {"d1": 1, "d2": 0}}


def test_negative_grades_are_kept(write):
    assert read_qrels(write("test.tsv", "q1 0 d1 -1\n")) == {"q1": {"d1": -1}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (QRELS + "q1\td3\tmuch\n", r"test.tsv:4: the grade must be a whole number, not 'much'"),
        (QRELS + "q1 d3\n", r"test.tsv:4: .*not 2 columns"),
        (QRELS + "q1\td1\t2\n", r'test.tsv:4: query "q1" judges document "d1" a second time'),
        ("query-id\tcorpus-id\tscore\n", r"test.tsv: no judgements"),
    ],
)
def test_broken_judgements(write, content, message):
    with pytest.raises(InputError, match=message):
        read_qrels(write("test.tsv", content))


@pytest.fixture
def beir(write, tmp_path):
    write("set/corpus.jsonl.gz", CORPUS)
    write("set/queries.jsonl", QUERIES)
    write("set/qrels/test.tsv", QRELS)
    return tmp_path / "set"


def test_a_beir_folder(beir):
    dataset = BeirDataset.open(beir)
    assert dataset.name == "set"
    assert list(dataset.documents()) == [Document("d1", "one"), Document("d2", "two")]
    assert dataset.qrels == {"q1": {"d1": 1, "d2": 0}}
    assert [query.id for query in dataset.queries] == ["q1"]
    assert [query.id for query in dataset.all_queries] == ["q1", "q2"]


def test_a_corpus_that_lies_elsewhere(beir, write):
    other = write("other/pages.jsonl.xz", '{"_id": "d9", "text": "nine"}\n')
    assert list(BeirDataset.open(beir, corpus=other).documents()) == [Document("d9", "nine")]
    with pytest.raises(SourceNotFoundError, match="no such corpus file"):
        BeirDataset.open(beir, corpus=beir / "absent")


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "queries.jsonl"])
def test_a_folder_with_a_file_missing(beir, name):
    (beir / name).unlink()
    with pytest.raises(InputError, match=rf"set: no {name.removesuffix('.gz')} \(or .gz, .xz, .zst\)"):
        BeirDataset.open(beir)


def test_a_split_that_is_not_there(beir):
    with pytest.raises(InputError, match='no judgements for the split "dev" in qrels/; there are test'):
        BeirDataset.open(beir, split="dev")


def test_no_such_folder(tmp_path):
    with pytest.raises(SourceNotFoundError, match="no such folder"):
        BeirDataset.open(tmp_path / "absent")
