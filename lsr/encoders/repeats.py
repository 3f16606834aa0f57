"""Weights of terms that occur more than once, joined."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lsr.encoders.composition import OccurrencesName
from lsr.vectors import SparseVectors


def weights_by_term(
    rows: npt.NDArray[np.int64],
    terms: npt.NDArray[np.int32] | npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    *,
    n_rows: int,
    vocabulary_size: int,
    occurrences: OccurrencesName,
) -> SparseVectors:
    """One weight for each (row, term) out of all its occurrences, which are given in the order of the text."""
    distinct, first, group = np.unique(rows * vocabulary_size + terms, return_index=True, return_inverse=True)
    if occurrences == "first":
        combined = weights[first]
    else:
        combined = np.zeros(len(distinct), np.float32)
        combine = np.maximum if occurrences == "max" else np.add
        combine.at(combined, group, weights)
    distinct_rows, distinct_terms = np.divmod(distinct, vocabulary_size)
    indptr = np.searchsorted(distinct_rows, np.arange(n_rows + 1)).astype(np.int64)
    return SparseVectors(indptr, distinct_terms.astype(np.uint32), combined, vocabulary_size)
