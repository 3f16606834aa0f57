from __future__ import annotations

import itertools

import numpy as np
import pytest
from lsr.eval.significance import bootstrap_interval, holm, randomisation_test


def test_bootstrap_interval_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(1).uniform(size=500)
    low, high = bootstrap_interval(values, np.random.default_rng(2))
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - error, abs=0.004)
    assert high == pytest.approx(values.mean() + error, abs=0.004)
    assert bootstrap_interval(values, np.random.default_rng(2)) == (low, high)


def test_bootstrap_of_little() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap_interval(np.zeros(0), rng) == (0.0, 0.0)
    assert bootstrap_interval(np.array([0.25]), rng) == (0.25, 0.25)


def test_randomisation_test_equals_all_swaps_counted() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.uniform(size=10), rng.uniform(size=10) + 0.15
    differences = second - first
    signs = np.array(list(itertools.product([-1, 1], repeat=10)))
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    assert randomisation_test(first, second, rng, permutations=40_000) == pytest.approx(exact, abs=0.01)


def test_randomisation_test_of_equals_and_opposites() -> None:
    rng = np.random.default_rng(4)
    values = rng.uniform(size=50)
    assert randomisation_test(values, values, rng) == 1.0
    assert randomisation_test(values, values + 0.1, rng) < 0.001


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
