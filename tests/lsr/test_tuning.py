"""Tuning: what is chosen, on which queries, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from lsr.indexer.approximation import Approximation
from lsr.indexer.collection import Collection
from lsr.indexer.staging import discard_staged
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexLockedError, InvalidArgumentError, NotTunedError
from lsr.pipeline import Pipeline
from lsr.requests import SearchRequest, to_json
from lsr.tuning import FINALISTS, GAMMAS, KEEPS, WORTH, Outcome, Trial, sampled_titles, split, tune_index

if TYPE_CHECKING:
    from lsr.data.documents import Document

TEXTS = [f"read {first} {second}" for first in ("file", "line", "byte", "zip", "date") for second in range(6)]


class ByFormula(Trial):
    """Recall falls with the terms left out and rises as the bar is lowered; reading more takes longer."""

    def __init__(self) -> None:
        self.exact_seconds = 1.0
        self.asked = 0
        self.timed = 0

    def outcome(self, settings: Approximation) -> Outcome:
        self.asked += 1
        missed = max(0.0, (1 - settings.keep) - 1.2 * (1 - settings.gamma))
        return Outcome(1 - missed, 0.0, 0.2 + 0.5 * settings.keep + 0.6 * (1 - settings.gamma))

    def seconds(self, contenders: Sequence[Approximation | None]) -> list[float]:
        self.timed += len(contenders)
        return [self.exact_seconds if each is None else self.outcome(each).seconds for each in contenders]


@pytest.mark.parametrize("recall", [0.9, 0.95, 0.99, 0.999])
def test_the_fastest_settings_that_reach_the_recall_are_chosen(recall: float) -> None:
    trial = ByFormula()
    chosen = trial.fastest(recall)
    asked = trial.asked
    grid = [Approximation(keep, gamma) for keep in KEEPS for gamma in GAMMAS]
    enough = [each for each in grid if trial.outcome(each).recall >= recall]

    assert trial.outcome(chosen).seconds == min(trial.outcome(each).seconds for each in enough)
    assert asked <= 2 * (len(KEEPS) + len(GAMMAS)) + len(KEEPS)
    assert trial.timed <= 1 + FINALISTS


def test_what_is_not_worth_it_is_left_exact() -> None:
    trial = ByFormula()
    trial.exact_seconds = 0.2

    assert trial.fastest(0.9) == Approximation()
    assert WORTH > 1


def test_a_slow_minute_is_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's pace changes between rounds; the ratio of what is timed in turn does not."""
    clock = [0.0]
    monkeypatch.setattr("lsr.tuning.time.perf_counter", lambda: clock[0])

    @dataclass(frozen=True)
    class Answer:
        scores: npt.NDArray[np.float64]

    calls = [0]

    def search(_: int, settings: Approximation | None) -> Answer:
        slowness = 5.0 if calls[0] >= 3 * 40 else 1.0  # from the second round on
        calls[0] += 1
        clock[0] += slowness * (2.0 if settings is None else 1.0)
        return Answer(np.ones(1))

    exact, fast = Trial(search, 40).seconds([None, Approximation(0.5)])
    assert exact == 2 * fast


def test_the_recall_must_be_above_the_wish_by_its_error() -> None:
    class Unsure(ByFormula):
        def outcome(self, settings: Approximation) -> Outcome:
            return Outcome(0.95 if settings.keep < 1 else 1.0, 0.02, settings.keep)

    assert Unsure().fastest(0.92).keep == KEEPS[-1]
    assert Unsure().fastest(0.94).keep == 1


def test_halves_share_no_text_and_repeats_count() -> None:
    first, second = split([*TEXTS, *TEXTS[:7]], np.random.default_rng(0))

    assert set(first).isdisjoint(second)
    assert abs(len(set(first)) - len(set(second))) <= 1
    assert sorted([*first, *second]) == sorted([*TEXTS, *TEXTS[:7]])


@pytest.fixture
def index(tmp_path: Path, build_index: Callable[..., Pipeline], small_documents: Sequence[Document]) -> Path:
    build_index(tmp_path / "index", small_documents)
    return tmp_path / "index"


@pytest.fixture
def tuned(index: Path, monkeypatch: pytest.MonkeyPatch, hand_encoder: Callable[[], object]) -> Path:
    """An index whose model is made by hand, tuned at its recorded sum."""
    monkeypatch.setattr("lsr.fields._load", lambda *_, **__: hand_encoder())
    report = tune_index(index, TEXTS, "queries", recalls=[0.9, 0.99], depths=[10, 100])
    assert [(each.k, each.recall) for each in report.tuned] == [(10, 0.9), (10, 0.99), (100, 0.9), (100, 0.99)]
    assert {(each.measured, each.queries, each.source) for each in report.tuned} == {(1.0, 15, "queries")}
    assert report.generation == 2
    return index


def test_an_answer_says_its_mode_and_the_settings(tuned: Path) -> None:
    pipeline = Pipeline.open(tuned)
    exact, fast = (pipeline.search(SearchRequest("read a file", mode=mode)) for mode in ("exact", "fast"))

    assert (exact.mode, exact.fast) == ("exact", None)
    assert fast.mode == "fast"
    assert fast.fast is not None
    assert (fast.fast.recall, fast.fast.measured_recall) == (0.99, 1.0)
    assert [hit.id for hit in fast.hits] == [hit.id for hit in exact.hits]
    assert to_json(fast)["fast"].keys() == {"recall", "measured_recall", "keep", "gamma"}  # type: ignore[index]
    assert pipeline.search_many(["read"], 5, mode="fast", recall=0.9)[0].numbers.size == 2


def test_deeper_than_tuned_and_an_index_that_grew_are_said(
    tuned: Path, small_documents: Sequence[Document]
) -> None:
    from lsr.data.documents import Document

    from lsr.updating import add_documents

    answer = Pipeline.open(tuned).search(SearchRequest("read", k=101, mode="fast"))
    assert answer.warnings == ("fast search was tuned for up to 100 hits; deeper, its recall is not known",)
    add_documents(tuned, [Document(f"more{at}", "read") for at in range(5)])
    [warning] = Pipeline.open(tuned).search(SearchRequest("read", mode="fast")).warnings
    assert "tuned on 5 documents and the index has 10 now; run `lsr tune` again" in warning


def test_another_sum_than_the_tuned_one_is_refused(tuned: Path) -> None:
    pipeline = Pipeline.open(tuned)

    with pytest.raises(NotTunedError, match=r"not bm25=1.*--fields bm25=1"):
        pipeline.search(SearchRequest("read", mode="fast", fields={"bm25": 1.0}))
    with pytest.raises(NotTunedError, match=r"recall of 0\.95, only for 0\.9, 0\.99"):
        pipeline.search(SearchRequest("read", mode="fast", recall=0.95))
    with pytest.raises(InvalidArgumentError, match="recall goes with mode"):
        pipeline.search(SearchRequest("read", recall=0.95))


def test_too_few_queries_and_a_held_lock_are_refused(index: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"queries: 3 distinct texts, too few"):
        tune_index(index, TEXTS[:3] * 9, "queries")
    with pytest.raises(InvalidArgumentError, match=r"recall must be 0\.9 to 0\.999"):
        tune_index(index, TEXTS, "queries", recalls=[0.2])
    with CollectionWriter.open(index), pytest.raises(IndexLockedError):
        tune_index(index, TEXTS, "log", fields={"bm25": 1.0})


def test_changes_that_wait_are_told_before_anything_is_measured(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CollectionWriter.open(index) as writer:
        writer.delete([next(iter(Collection.open(index).all_documents())).id])
        writer.stage()
    monkeypatch.setattr("lsr.tuning.tune", lambda *_, **__: pytest.fail("measured before it was refused"))
    try:
        with pytest.raises(InvalidArgumentError, match="commit the changes first"):
            tune_index(index, TEXTS, "queries", fields={"bm25": 1.0})
    finally:
        discard_staged(index)


def test_titles_stand_in_for_queries_where_there_are_enough(
    tmp_path: Path, build_index: Callable[..., Pipeline], small_documents: Sequence[Document]
) -> None:
    from lsr.data.documents import Document

    documents = [Document(f"d{at}", "read", "" if at % 4 == 0 else f"Title {at}") for at in range(40)]
    collection = build_index(tmp_path / "titles", documents).collection
    titles = sampled_titles(collection, 40, np.random.default_rng(0))

    assert titles == [document.title for document in documents if document.title]
    with pytest.raises(InvalidArgumentError, match="tune on a file of queries instead"):
        sampled_titles(build_index(tmp_path / "few", small_documents).collection, 5, np.random.default_rng(0))
    assert isinstance(collection, Collection)
