"""Measures against ir_measures called directly, and against the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsr.eval.measures import DEFAULT_MEASURES, evaluate_run, parse_measure, parse_measures, required_depth

from lsr.errors import InvalidArgumentError

DOCUMENTS = [f"d{number}" for number in range(12)]
rankings = st.lists(st.sampled_from(DOCUMENTS), unique=True, max_size=12)
judgements = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1, max_size=8)


@given(st.lists(st.tuples(rankings, judgements), min_size=1, max_size=5))
def test_equals_ir_measures(queries: list[tuple[list[str], dict[str, int]]]) -> None:
    import ir_measures

    run = {
        f"q{at}": [(document, float(-rank)) for rank, document in enumerate(ranking)]
        for at, (ranking, _) in enumerate(queries)
    }
    qrels = {f"q{at}": judged for at, (_, judged) in enumerate(queries)}
    measures = parse_measures([*DEFAULT_MEASURES, "AP(rel=2)", "P@5", "Success@3"])
    mine = evaluate_run(run, qrels, measures)
    theirs = ir_measures.calc_aggregate(measures, qrels, {qid: dict(ranking) for qid, ranking in run.items()})
    for measure in measures:
        assert mine[str(measure)].values.mean() == pytest.approx(theirs[measure], abs=1e-12)
        assert mine[str(measure)].query_ids == tuple(qrels)


def test_ndcg_has_linear_gains() -> None:
    values = evaluate_run({"q": [("a", 2.0), ("b", 1.0)]}, {"q": {"a": 1, "b": 3}}, parse_measures(["nDCG@10"]))
    gain, ideal = 1 + 3 / math.log2(3), 3 + 1 / math.log2(3)
    assert values["nDCG@10"].values[0] == pytest.approx(gain / ideal)


def test_a_query_without_hits_counts_as_zero_and_scores_do_not_matter() -> None:
    run = {"q1": [("a", 0.5), ("b", 0.5)], "q2": [], "unjudged": [("a", 1.0)]}
    qrels = {"q1": {"b": 1}, "q2": {"a": 1}, "q3": {"a": 1}}
    values = evaluate_run(run, qrels, parse_measures(["RR@10"]))["RR@10"]
    assert values.query_ids == ("q1", "q2", "q3")
    assert np.array_equal(values.values, [0.5, 0.0, 0.0])  # b is second, tie or not


def test_depth_follows_the_cutoffs() -> None:
    assert required_depth(parse_measures(["nDCG@10", "R@100"])) == 100
    assert required_depth(parse_measures(["nDCG@10", "AP"])) == 1000
    assert required_depth(parse_measures(["AP@20"])) == 20


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ndcg@10", "nDCG@10"),
        ("recall@100", "R@100"),
        ("map", "AP"),
        ("precision@5", "P@5"),
        ("nDGC@20", "nDCG@20"),
        ("hit_rate@3", "Success@3"),
    ],
)
def test_a_wrong_name_suggests_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"did you mean (.*)\?") as caught:
        parse_measure(name)
    assert f"did you mean {meant}?" in str(caught.value)


@pytest.mark.parametrize("name", ["wobble", "", "AP(2)", "nDCG@", "nDCG@ten", "exit()", "nDCG@10; AP"])
def test_nonsense_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="unknown measure"):
        parse_measure(name)


def test_no_measure_is_refused_and_repeats_are_dropped() -> None:
    with pytest.raises(InvalidArgumentError, match="no measure given"):
        parse_measures([])
    assert [str(measure) for measure in parse_measures(["AP", "MAP@5", "AP"])] == ["AP", "AP@5"]
