from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsr.eval.runs import read_run, strictly_falling, write_run

from lsr.errors import InputError, InvalidArgumentError, SourceNotFoundError

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20).map(lambda some: sorted(some, reverse=True))


@given(scores)
def test_written_scores_fall_strictly_in_float32(given_scores: list[float]) -> None:
    falling = np.array([np.float32(f"{score:.9g}") for score in strictly_falling(given_scores)])
    assert np.all(falling[1:] < falling[:-1])


def test_distinct_scores_are_kept() -> None:
    assert strictly_falling([3.5, 2.25, 0.125]) == [3.5, 2.25, 0.125]


@pytest.mark.parametrize("name", ["run.txt", "run.txt.gz"])
def test_any_tool_reads_our_order(tmp_path: Path, name: str) -> None:
    run = {"q1": [("b", 2.0), ("a", 2.0), ("c", 2.0), ("d", 1.0)], "q2": [("z", 1e-9)], "é": []}
    path = tmp_path / name
    write_run(path, run, tag="mine")
    back = read_run(path)
    assert {query: [document for document, _ in ranking] for query, ranking in back.items()} == {
        "q1": ["b", "a", "c", "d"],
        "q2": ["z"],
    }
    import ir_measures

    if name == "run.txt":
        assert path.read_text().splitlines()[0] == "q1 Q0 b 1 2 mine"
        theirs = ir_measures.calc_aggregate(
            [ir_measures.parse_measure("RR")], {"q1": {"c": 1}}, ir_measures.read_trec_run(str(path))
        )
        assert next(iter(theirs.values())) == pytest.approx(1 / 3)


def test_reads_ranks_without_scores_and_ties_by_rank(tmp_path: Path) -> None:
    path = tmp_path / "run.tsv"
    path.write_text("q1\tb\t2\nq1\ta\t1\n\nq2\tc\t1\n")
    assert read_run(path) == {"q1": [("a", 1.0), ("b", 0.5)], "q2": [("c", 1.0)]}
    path.write_text("q1 Q0 b 2 1.5 t\nq1 Q0 a 1 1.5 t\n")
    assert read_run(path) == {"q1": [("a", 1.5), ("b", 1.5)]}


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("q1 Q0 d1 1 high tag", "could not convert"),
        ("q1 Q0 d1 one 1.0 tag", "invalid literal"),
        ("q1 Q0 d1 1 nan tag", "not finite"),
        ("q1 d1 0", "below 1"),
        ("q1 d1", "2 columns"),
        ("q1 Q0 a 2 0.5 tag", "a second time"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "run.txt"
    path.write_text(f"q1 Q0 a 1 1.0 tag\n{line}\n")
    with pytest.raises(InputError, match=cause) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_bytes_that_are_not_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    path.write_bytes(b"q1 Q0 \xff 1 1.0 tag\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_run(path)


def test_missing_file_and_unwritable_ids(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no such file"):
        read_run(tmp_path / "none.txt")
    with pytest.raises(InvalidArgumentError, match="white space"):
        write_run(tmp_path / "run.txt", {"q 1": [("a", 1.0)]})
    with pytest.raises(InvalidArgumentError, match="document id"):
        write_run(tmp_path / "run.txt", {"q1": [("a b", 1.0)]})
