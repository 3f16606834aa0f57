"""Pruning and normalising against plain dictionaries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsr.encoders.shaping import Shaping
from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors

rows = st.lists(
    st.dictionaries(st.integers(0, 9), st.sampled_from([0.25, 0.5, 1.0, 3.0]), max_size=8), max_size=5
)


def as_dicts(vectors: SparseVectors) -> list[dict[int, float]]:
    return [dict(zip(t.tolist(), w.tolist(), strict=True)) for t, w in map(vectors.row, range(len(vectors)))]


@given(rows, st.floats(0.05, 1.0))
def test_ratio_keeps_what_is_near_the_largest(batch: list[dict[int, float]], ratio: float) -> None:
    shaped = Shaping(ratio=ratio)(SparseVectors.from_id_dicts(batch, 10))
    expected = [{t: w for t, w in row.items() if w >= ratio * max(row.values())} for row in batch]
    assert as_dicts(shaped) == expected


@given(rows)
def test_unit_length(batch: list[dict[int, float]]) -> None:
    shaped = as_dicts(Shaping(unit_length=True)(SparseVectors.from_id_dicts(batch, 10)))
    for row, scaled in zip(batch, shaped, strict=True):
        length = math.sqrt(sum(w * w for w in row.values()))
        assert scaled == pytest.approx({t: w / length for t, w in row.items()})


def test_steps_run_in_the_order_of_the_fields() -> None:
    vectors = SparseVectors.from_id_dicts([{0: 4.0, 1: 3.0, 2: 0.5}], 10)
    assert as_dicts(Shaping(top=2, ratio=0.8, unit_length=True)(vectors)) == [{0: 1.0}]
    assert as_dicts(Shaping(top=2, mass=0.99, unit_length=True)(vectors)) == [
        {0: pytest.approx(0.8), 1: pytest.approx(0.6)}
    ]


@pytest.mark.parametrize("wrong", [{"top": 0}, {"ratio": 0.0}, {"ratio": 1.5}, {"mass": -1.0}])
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    name = next(iter(wrong))
    with pytest.raises(InvalidArgumentError, match=name):
        Shaping(**wrong)  # type: ignore[arg-type]
