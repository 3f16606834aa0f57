"""lsr tune, and fast searches after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunLsr = Callable[..., Any]


@pytest.fixture
def tuned(lsr: RunLsr, index: Path, write_lines: Callable[..., Path]) -> Path:
    queries = [{"_id": f"q{at}", "text": f"read the line {at}"} for at in range(24)]
    done = lsr(
        "tune",
        index,
        write_lines(queries, "queries.jsonl"),
        "--recall",
        0.9,
        "--recall",
        0.99,
        "-k",
        10,
        "--json",
    )
    assert done.status == 0, done.err
    assert [(each["recall"], each["measured"], each["queries"]) for each in done.json["tuned"]] == [
        (0.9, 1.0, 12),
        (0.99, 1.0, 12),
    ]
    return index


def test_a_tuned_index_is_searched_fast(lsr: RunLsr, tuned: Path) -> None:
    answer = lsr("search", tuned, "line", "--mode", "fast", "--recall", 0.9, "--json").json

    assert (answer["mode"], answer["fast"]["recall"]) == ("fast", 0.9)
    assert [hit["id"] for hit in answer["hits"]] == ["read"]
    assert "fast, recall 0.99 wished, 1.0000 when tuned" in lsr("search", tuned, "line", "--mode", "fast").err
    assert "fast: recall 0.9 at 10 hits, measured 1.0000 on 12 queries" in lsr("info", tuned).out


def test_a_recall_that_was_never_tuned_names_the_command(lsr: RunLsr, tuned: Path) -> None:
    outcome = lsr("search", tuned, "line", "--mode", "fast", "--recall", 0.95)

    assert outcome.status == 2
    assert f"run `lsr tune {tuned} QUERIES --recall 0.95`" in outcome.err


def test_an_index_that_was_never_tuned_is_not_served_fast(lsr: RunLsr, index: Path) -> None:
    outcome = lsr("serve", index, "--mode", "fast", "--port", 0)

    assert outcome.status == 2
    assert "lsr tune" in outcome.err


def test_a_query_log_counts_repeats(lsr: RunLsr, index: Path, write_lines: Callable[..., Path]) -> None:
    log = write_lines([f"line {at % 30}" for at in range(45)] + [{"query": "line by line"}], "searches.log")
    shown = lsr("tune", index, "--log", log, "--recall", 0.9, "-k", 10)

    assert shown.status == 0, shown.err
    assert "recall wished" in shown.out
    assert lsr("info", index, "--json").json["tuned"][0]["source"] == "log"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{oops"], "searches.log:1: not JSON"),
        (["fine", {"text": "x"}], 'searches.log:2: no "query"'),
        ([{"query": 7}], '"query" must be a text'),
        ([], "the file is empty"),
        (["one", "two"], "2 distinct texts, too few"),
    ],
)
def test_logs_that_cannot_be_used(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path], lines: list[object], message: str
) -> None:
    outcome = lsr("tune", index, "--log", write_lines(lines, "searches.log"))

    assert outcome.status == 2
    assert message in outcome.err


def test_one_source_of_queries_is_named(lsr: RunLsr, index: Path, write_lines: Callable[..., Path]) -> None:
    for arguments in ((), (write_lines([], "q.jsonl"), "--titles", 9)):
        outcome = lsr("tune", index, *arguments)
        assert outcome.status == 2
        assert "name one source of queries" in outcome.err


def test_titles_are_a_fall_back_that_is_named(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    documents = [{"_id": f"d{at}", "title": f"line {at}", "text": "read"} for at in range(30)]
    lsr("index", write_lines(documents), "-o", tmp_path / "titled", "--model", "bm25")
    outcome = lsr("tune", tmp_path / "titled", "--titles", 30, "--recall", 0.9, "-k", 10)

    assert outcome.status == 0, outcome.err
    assert "titles are not what people ask" in outcome.err
