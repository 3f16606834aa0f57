"""lsr eval on a handful of documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsr.data.queries import read_qrels
from lsr.eval.runs import read_run

RunLsr = Callable[..., Any]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny set"
    (folder / "qrels").mkdir(parents=True)
    documents = {"d1": "wing flutter", "d2": "wing drag", "d3": "heat"}
    lines = (json.dumps({"_id": name, "text": text}) + "\n" for name, text in documents.items())
    (folder / "corpus.jsonl").write_text("".join(lines))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "drag"}\n{"_id": "q2", "text": "wing"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t1\nq2\td2\t1\n")
    return folder


def test_a_table_for_people(lsr: RunLsr, dataset: Path) -> None:
    done = lsr("eval", dataset, "--model", "bm25")
    assert done.status == 0, done.err
    assert "about 3 documents with bm25" in done.err
    assert "tiny set: 3 documents, 2 judged queries" in done.out
    assert "nDCG@10" in done.out
    assert "bm25" in done.out


def test_a_line_of_json_for_each_system(lsr: RunLsr, dataset: Path) -> None:
    systems = ["--fields", "bm25", "--fields", "bm25=2"]
    done = lsr("eval", dataset, "--model", "bm25", *systems, "--json", "-m", "RR")
    first, second = map(json.loads, done.out.splitlines())
    assert first["system"]["name"] == "bm25"
    assert second["system"]["fields"] == [{"name": "bm25", "encoder": "bm25", "weight": 2.0}]
    assert first["measures"]["RR"]["mean"] == second["measures"]["RR"]["mean"] == 0.75
    assert second["compared"][0]["p_value"] == 1.0
    assert "per_query" not in first


def test_each_query_when_asked(lsr: RunLsr, dataset: Path) -> None:
    done = lsr("eval", dataset, "--model", "bm25", "--json", "--per-query", "-m", "RR")
    assert json.loads(done.out)["per_query"] == {"RR": {"q1": 1.0, "q2": 0.5}}
    refused = lsr("eval", dataset, "--model", "bm25", "--per-query")
    assert refused.status == 2
    assert "--per-query goes with --json" in refused.err


def test_runs_and_judgements_for_other_tools(lsr: RunLsr, dataset: Path, tmp_path: Path) -> None:
    done = lsr("eval", dataset, "--model", "bm25", "--runs", tmp_path / "out")
    assert done.status == 0, done.err
    run = read_run(tmp_path / "out" / "bm25.txt")
    assert [document for document, _ in run["q2"]] == ["d1", "d2"]
    assert read_qrels(tmp_path / "out" / "qrels.txt") == {"q1": {"d2": 1}, "q2": {"d2": 1}}


def test_a_page_with_pictures(lsr: RunLsr, dataset: Path, tmp_path: Path) -> None:
    done = lsr("eval", dataset, "--model", "bm25", "--report", tmp_path / "page.html")
    assert done.status == 0, done.err
    assert "<svg" in (tmp_path / "page.html").read_text()
    assert "page.html" in done.err


def test_a_run_made_elsewhere_is_a_baseline(lsr: RunLsr, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    path.write_text("q1 Q0 d2 1 2.0 t\nq2 Q0 d2 1 2.0 t\n")
    done = lsr("eval", dataset, "--model", "bm25", "--baseline", f"theirs={path}", "--json")
    theirs, ours = map(json.loads, done.out.splitlines())
    assert (theirs["system"]["name"], theirs["system"]["mode"]) == ("theirs", "file")
    assert theirs["measures"]["RR@10"]["mean"] == 1.0
    assert ours["compared"][0]["first"] == "theirs"
    for wrong in ("run.txt", "=run.txt", "theirs="):
        refused = lsr("eval", dataset, "--model", "bm25", "--baseline", wrong)
        assert refused.status == 2
        assert "NAME=FILE" in refused.err


def test_an_index_that_is_there(lsr: RunLsr, dataset: Path, tmp_path: Path) -> None:
    lsr("index", dataset, "-o", tmp_path / "index", "--model", "bm25")
    done = lsr("eval", dataset, "--index", tmp_path / "index", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["measures"]["RR@10"]["mean"] == 0.75


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "ndcg@10"], "did you mean nDCG@10?"),
        (["--qrels", "dev"], "there are test"),
        (["--fields", "titles"], "titles"),
        (["--fields", "bm25=much"], "NAME=WEIGHT"),
    ],
)
def test_what_cannot_be_done_is_said(lsr: RunLsr, dataset: Path, arguments: list[str], said: str) -> None:
    refused = lsr("eval", dataset, "--model", "bm25", *arguments)
    assert refused.status == 2
    assert said in refused.err
    assert refused.out == ""


def test_vectors_are_kept_where_asked(
    lsr: RunLsr, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home cache"))
    assert lsr("eval", dataset, "--cache", tmp_path / "mine").status == 0
    assert list((tmp_path / "mine").glob("*.vectors"))
    assert lsr("eval", dataset, "--no-cache", "--fields", "learned").status == 0
    assert not (tmp_path / "home cache").exists()


def test_the_fast_mode_needs_an_index_that_was_tuned(
    lsr: RunLsr, dataset: Path, tmp_path: Path, write_lines: Callable[..., Path]
) -> None:
    refused = lsr("eval", dataset, "--model", "bm25", "--mode", "fast")
    assert refused.status == 2
    assert "--mode fast needs an index that was tuned" in refused.err

    index = tmp_path / "index"
    lsr("index", dataset, "-o", index, "--model", "bm25")
    assert "lsr tune" in lsr("eval", dataset, "--index", index, "--mode", "fast").err
    queries = write_lines([{"_id": f"q{at}", "text": f"wing {at}"} for at in range(20)], "queries.jsonl")
    lsr("tune", index, queries, "--recall", 0.9)
    done = lsr("eval", dataset, "--index", index, "--mode", "fast", "--recall", 0.9, "--json", "-m", "RR")
    assert done.status == 0, done.err
    result = json.loads(done.out)
    assert (result["system"]["mode"], result["measures"]["RR"]["mean"]) == ("fast", 0.75)
