"""Evaluating datasets and indexes against figures worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from lsr.data.beir import BeirDataset
from lsr.eval.cache import VectorCache
from lsr.eval.evaluate import SystemChoice
from lsr.eval.qrels import write_qrels
from lsr.eval.running import Settings, evaluate_dataset, evaluate_index, plan_evaluation

from lsr.errors import InputError, InvalidArgumentError, ResourceError
from lsr.indexing import DocumentEncoder, index_documents, plan_index

BM25 = plan_index("bm25")


def test_figures_worked_out_by_hand(wings: BeirDataset) -> None:
    """q1 finds d2, d1: perfect. q2 finds d3 and d4 with equal scores, so d3 first. q3 finds nothing."""
    (run,) = evaluate_dataset(wings, BM25, Settings()).runs
    result = run.result
    assert [document for document, _ in run.run["q2"]] == ["d3", "d4"]
    assert result.values["nDCG@10"].query_ids == ("q1", "q2", "q3")
    assert result.values["nDCG@10"].values == pytest.approx([1.0, 1 / math.log2(3), 0.0])
    assert result.measures["RR@10"].mean == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert result.measures["AP"].mean == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert (result.queries, result.judged_queries, result.unknown_queries, result.documents) == (4, 3, 1, 5)
    assert result.self_matches == "kept"
    assert result.truncated == 0
    assert result.index_bytes
    assert result.latency_ms
    assert 0 < result.latency_ms.p50 <= result.latency_ms.p95 <= result.latency_ms.p99
    assert result.system.fields[0].name == "bm25"


def test_non_zeros_and_flops_are_counted(wings: BeirDataset) -> None:
    """Terms of the documents: 2 + 3 + 2 + 2 + 0; of the queries that are known: wing drag, heat, none."""
    (run,) = evaluate_dataset(wings, BM25, Settings()).runs
    assert run.result.non_zeros
    assert run.result.non_zeros.documents == pytest.approx(9 / 5)
    assert run.result.non_zeros.queries == pytest.approx(3 / 3)
    assert run.result.flops == pytest.approx((2 / 5 + 1 / 5 + 2 / 5) / 3)


def test_a_seed_gives_the_same_intervals(wings: BeirDataset) -> None:
    first, again, other = (
        evaluate_dataset(wings, BM25, Settings(seed=seed)).results[0].measures["nDCG@10"] for seed in (1, 1, 2)
    )
    assert first == again
    assert first.mean == other.mean
    beside = evaluate_dataset(wings, BM25, Settings(seed=1, baselines={"theirs": {"q1": [("d3", 1.0)]}}))
    assert beside.results[1].measures["nDCG@10"] == first


def test_an_index_gives_what_its_dataset_gives(wings: BeirDataset, tmp_path: Path) -> None:
    index = tmp_path / "index"
    index_documents(wings.documents(), index, DocumentEncoder(BM25))
    built = evaluate_dataset(wings, BM25, Settings()).runs[0]
    found = evaluate_index(index, wings, Settings()).runs[0]
    assert found.run == built.run
    assert found.result.measures == built.result.measures
    assert (found.result.truncated, found.result.split) == (0, 0)


def test_an_index_of_something_else_is_refused(wings: BeirDataset, tmp_path: Path) -> None:
    from lsr.data.documents import Document

    index = tmp_path / "index"
    index_documents([Document("other", "a text")], index, DocumentEncoder(BM25))
    with pytest.raises(InvalidArgumentError, match=r"none of the documents \(3\) that wings judges relevant"):
        evaluate_index(index, wings, Settings())


def test_judgements_of_other_documents_are_refused(wings: BeirDataset) -> None:
    write_qrels(wings.qrels_path, {"q1": {"1": 1, "2": 1}})
    with pytest.raises(InvalidArgumentError, match=r"corpus.jsonl: holds none of .*\(2\) that wings"):
        evaluate_dataset(wings, BM25, Settings())


def test_systems_share_an_index_and_are_compared(wings: BeirDataset, tmp_path: Path) -> None:
    done = evaluate_dataset(
        wings,
        plan_evaluation("splade-tiny", None),
        Settings(cache=VectorCache(tmp_path / "cache"), measures=["nDCG@10"]),
    )
    assert [result.system.name for result in done.results] == ["learned", "bm25", "sum"]
    assert [(each.first, each.second) for each in done.comparisons] == [
        ("learned", "bm25"),
        ("learned", "sum"),
        ("bm25", "sum"),
    ]
    both = done.results[2].system.fields
    assert [(field.name, field.encoder, field.weight) for field in both] == [
        ("learned", "splade-tiny", 1.0),
        ("bm25", "bm25", 1.0),
    ]
    assert len(list((tmp_path / "cache").glob("*.vectors"))) == 2


def test_what_is_indexed_follows_the_systems() -> None:
    assert dict(plan_evaluation("bm25", None).weights) == {"bm25": 1.0}
    assert dict(plan_evaluation("some/model", None).weights) == {"learned": 1.0, "bm25": 1.0}
    systems = [SystemChoice("bm25=2", {"bm25": 2.0})]
    assert dict(plan_evaluation("splade-tiny", systems).weights) == {"bm25": 1.0}


def test_own_documents_are_removed_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "self"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "x y"}\n{"_id": "b", "text": "x"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "a", "text": "x y"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\na\tb\t1\n")
    dataset = BeirDataset.open(folder)
    kept = evaluate_dataset(dataset, BM25, Settings(measures=["RR@1"]))
    removed = evaluate_dataset(dataset, BM25, Settings(measures=["RR@1"], self_matches="removed"))
    assert kept.results[0].measures["RR@1"].mean == 0.0
    assert removed.results[0].measures["RR@1"].mean == 1.0
    assert [document for document, _ in removed.runs[0].run["a"]] == ["b"]


def test_runs_made_elsewhere_are_measured_alike(wings: BeirDataset) -> None:
    own = evaluate_dataset(wings, BM25, Settings())
    given = {"theirs": own.runs[0].run, "worse": {"q1": [("d3", 1.0)]}}
    done = evaluate_dataset(wings, BM25, Settings(baselines=given))
    assert [result.system.name for result in done.results] == ["theirs", "worse", "bm25"]
    assert done.results[0].values["AP"].values.tolist() == done.results[2].values["AP"].values.tolist()
    assert done.results[0].latency_ms is None
    assert done.results[1].measures["AP"].mean == 0.0


def test_names_of_systems_are_distinct(wings: BeirDataset) -> None:
    with pytest.raises(InvalidArgumentError, match="two systems are called 'bm25'"):
        evaluate_dataset(wings, BM25, Settings(baselines={"bm25": {}}))


def test_lucene_is_missed_before_the_work(wings: BeirDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsr.eval.lucene.lucene_python", lambda: None)
    with pytest.raises(ResourceError, match="needs pyserini"):
        evaluate_dataset(wings, plan_evaluation("no such model", None), Settings(lucene=True))


def test_wrong_measures_are_refused_before_the_work(wings: BeirDataset) -> None:
    with pytest.raises(InvalidArgumentError, match="did you mean nDCG@10"):
        evaluate_dataset(wings, plan_evaluation("no such model", None), Settings(measures=["ndcg@10"]))


@pytest.mark.parametrize(
    ("queries", "judgement", "says"),
    [
        ('{"_id": "one", "text": "x"}', "1\ta\t1", "no query of 1 has a judgement"),
        ('{"_id": "one", "text": "x"', "one\ta\t1", r"queries\.jsonl:1: invalid JSON"),
        ('{"_id": "one", "text": "x"}', "one\ta\tx", r"test\.tsv:2: the grade must be"),
    ],
)
def test_queries_and_judgements_are_read_before_the_work(
    tmp_path: Path, queries: str, judgement: str, says: str
) -> None:
    folder = tmp_path / "apart"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "x"}\n')
    (folder / "queries.jsonl").write_text(f"{queries}\n")
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judgement}\n")
    with pytest.raises((InvalidArgumentError, InputError), match=says):
        evaluate_dataset(BeirDataset.open(folder), plan_evaluation("no such model", None), Settings())
