from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from lsr.eval.measures import QueryValues
from lsr.eval.results import (
    Environment,
    EvaluationResult,
    FieldOfSystem,
    Latency,
    NonZeros,
    System,
    compare,
    estimate,
    to_json,
)
from lsr.eval.tables import results_table
from rich.console import Console

QUERIES = tuple(f"q{at}" for at in range(40))


def result(name: str, values: Sequence[float], **changes: object) -> EvaluationResult:
    by_query = {"nDCG@10": QueryValues(QUERIES, np.array(values))}
    return replace(
        EvaluationResult(
            dataset="tiny",
            system=System(name, (FieldOfSystem(name, "bm25", 1.0),)),
            values=by_query,
            measures={measure: estimate(each, 0) for measure, each in by_query.items()},
            queries=50,
            judged_queries=40,
            unknown_queries=2,
            documents=1000,
            truncated=7,
            split=2,
            self_matches="kept",
            non_zeros=NonZeros(60.0, 4.5),
            flops=0.5,
            latency_ms=Latency.of([1.0, 2.0, 3.0]),
            index_bytes=12345,
            environment=Environment("abc", "0.1.0", "a processor", 2, "3.11.7"),
        ),
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture
def three() -> list[EvaluationResult]:
    low, high = np.random.default_rng(1).uniform([[0.2], [0.6]], [[0.3], [0.7]], size=(2, 40))
    return [result("low", low), result("high", high), result("alike", high[::-1])]


def test_json_is_the_documented_object() -> None:
    answer = json.loads(json.dumps(to_json(result("bm25", np.linspace(0, 1, 40)), per_query=True)))
    assert answer["dataset"] == "tiny"
    assert answer["system"] == {
        "name": "bm25",
        "fields": [{"name": "bm25", "encoder": "bm25", "weight": 1.0}],
        "mode": "exact",
        "feedback": None,
    }
    low, high = answer["measures"]["nDCG@10"]["ci95"]
    assert low < answer["measures"]["nDCG@10"]["mean"] == 0.5 < high
    assert {
        name: answer[name] for name in ("queries", "judged_queries", "documents", "truncated", "split")
    } == {
        "queries": 50,
        "judged_queries": 40,
        "documents": 1000,
        "truncated": 7,
        "split": 2,
    }
    assert answer["self_matches"] == "kept"
    assert answer["non_zeros"] == {"documents": 60.0, "queries": 4.5}
    assert answer["flops"] == 0.5
    assert answer["latency_ms"] == {"p50": 2.0, "p95": 2.9, "p99": 2.98}
    assert answer["index_bytes"] == 12345
    assert answer["environment"]["commit"] == "abc"
    assert answer["per_query"]["nDCG@10"]["q39"] == 1.0
    assert "compared" not in answer


def test_what_a_file_does_not_tell_is_null() -> None:
    foreign = result("theirs", [0.5] * 40, documents=None, non_zeros=None, flops=None, latency_ms=None)
    answer = to_json(foreign)
    assert [answer[name] for name in ("documents", "non_zeros", "flops", "latency_ms")] == [None] * 4


def test_every_pair_is_compared(three: list[EvaluationResult]) -> None:
    found = {(each.first, each.second): each for each in compare(three, 0)}
    assert list(found) == [("low", "high"), ("low", "alike"), ("high", "alike")]
    clear, unclear = found["low", "high"], found["high", "alike"]
    assert clear.difference == pytest.approx(0.4, abs=0.05)
    assert clear.p_value < clear.p_holm < 0.001
    assert (clear.wins, clear.ties, clear.losses) == (40, 0, 0)
    assert unclear.p_value > 0.05
    answer = to_json(three[1], list(found.values()))
    assert [each["first"] for each in answer["compared"]] == ["low"]  # type: ignore[attr-defined]


def test_the_table_marks_who_beats_whom_and_fits_a_terminal(three: list[EvaluationResult]) -> None:
    out = io.StringIO()
    table = results_table(three, compare(three, 0))
    Console(file=out, width=79).print(table)
    text = out.getvalue()
    lines = {line.split()[1]: line for line in text.splitlines() if line.strip()[:1] in tuple("ᵃᵇᶜ")}
    assert "ᵃ" in lines["high"].split()[2]
    assert "ᵃ" in lines["alike"].split()[2]
    assert "ᵇ" not in lines["alike"].split()[2]
    assert "1,000 documents, 40 judged queries" in text
    assert "2 judged queries have no text" in " ".join(text.split())


def test_one_system_needs_no_marks() -> None:
    out = io.StringIO()
    Console(file=out, width=79).print(results_table([result("only", [0.25] * 40)], []))
    assert "only .2500" in " ".join(out.getvalue().split())
    assert "Holm" not in out.getvalue()
