"""How sure a figure is: bootstrap intervals of a mean, and a paired test between two systems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

RESAMPLES = 2_000  # the ends of a 95 % interval then move by about 2 % of its width from seed to seed
PERMUTATIONS = 10_000  # resolves p = 0.001 to about ± 0.0003
_ENTRIES_AT_A_TIME = 1 << 20  # bounds the memory, whatever the number of queries


def bootstrap_interval(
    values: Float64Array, rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over queries. One query (or none) has no spread to show."""
    if len(values) == 0:
        return (0.0, 0.0)
    block = max(1, _ENTRIES_AT_A_TIME // len(values))
    means = [
        values[rng.integers(len(values), size=(min(block, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, block)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return (float(low), float(high))


def randomisation_test(
    first: Float64Array, second: Float64Array, rng: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> float:
    """Two-sided p of Fisher's paired randomisation test on the difference of means.

    Under the null hypothesis the two systems' values for a query could as well be swapped; p is the share of
    random swaps with a mean difference at least as large as the one seen (which counts as one of them, so p is
    never 0).
    Source: Smucker, Allan and Carterette, CIKM 2007.
    """
    differences = second - first
    if not np.any(differences):
        return 1.0
    # Differences that agree but for rounding must count as equal, or p would depend on the order of summation.
    seen = abs(differences.sum()) - 1e-9 * np.abs(differences).sum()
    block = max(1, _ENTRIES_AT_A_TIME // len(differences))
    extreme = 0
    for start in range(0, permutations, block):
        flips = rng.integers(2, size=(min(block, permutations - start), len(differences)), dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs((2.0 * flips - 1.0) @ differences) >= seen))
    return (extreme + 1) / (permutations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values adjusted for testing several hypotheses at once (Holm's step-down), in the order given."""
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for passed, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        least = max(least, min(1.0, (len(p_values) - passed) * p_values[at]))
        adjusted[at] = least
    return adjusted
