"""Queries over several fields as one sorted list of (field, term, weight), which the scorer takes in one
pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsr.errors import InvalidArgumentError
from lsr.vectors import Float32Array, Int64Array, UInt32Array

# indptr, terms, weights before the field's own weight, the field's weight
WeightedRows = tuple[Int64Array, UInt32Array, npt.NDArray[np.floating], float]


@dataclass(frozen=True, slots=True, eq=False)
class MergedQueries:
    """n queries in CSR form, (field, term) strictly ascending within each.

    indptr: int64, shape (n + 1,); fields, terms: uint32, shape (m,); weights: float32, shape (m,), finite and >
            0
    """

    indptr: Int64Array
    fields: UInt32Array
    terms: UInt32Array
    weights: Float32Array

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, index: int) -> tuple[UInt32Array, UInt32Array, Float32Array]:
        start, end = self.indptr[index], self.indptr[index + 1]
        return self.fields[start:end], self.terms[start:end], self.weights[start:end]

    def only(self, index: int) -> MergedQueries:
        """One of the queries, as a batch of one."""
        fields, terms, weights = self.row(index)
        return MergedQueries(np.array([0, len(terms)], np.int64), fields, terms, weights)


def merge_queries(weighted: Mapping[int, WeightedRows]) -> MergedQueries:
    """Join the rows of several fields, each multiplied by its field's weight and rounded to float32 once.

    Terms whose weight that makes zero are left out. Raises InvalidArgumentError if the fields have different
    numbers of rows, or if a weight leaves the range of float32.
    """
    n_rows = {len(rows[0]) - 1 for rows in weighted.values()}
    if len(n_rows) != 1:
        raise InvalidArgumentError(
            f"queries: every field needs one row a query, but they have {sorted(n_rows)}"
            if n_rows
            else "queries: no field is named; give vectors for at least one",
            field="queries",
        )
    ordered = [(field, *weighted[field]) for field in sorted(weighted)]
    row_of = np.concatenate(
        [np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) for _, indptr, *_ in ordered]
    )
    fields = np.concatenate([np.full(len(terms), field, np.uint32) for field, _, terms, *_ in ordered])
    terms = np.concatenate([terms for _, _, terms, *_ in ordered])
    weights = np.concatenate([_times(values, weight) for *_, values, weight in ordered])
    if len(ordered) > 1:
        order = np.argsort(row_of, kind="stable")  # fields are in order, terms within them are
        row_of, fields, terms, weights = row_of[order], fields[order], terms[order], weights[order]
    if not np.all(weights > 0):
        kept = weights > 0
        row_of, fields, terms, weights = row_of[kept], fields[kept], terms[kept], weights[kept]
    indptr = np.searchsorted(row_of, np.arange(n_rows.pop() + 1)).astype(np.int64)
    return MergedQueries(indptr, fields, terms.astype(np.uint32, copy=False), weights)


def _times(values: npt.NDArray[np.floating], weight: float) -> Float32Array:
    with np.errstate(over="ignore", under="ignore"):
        result = (values.astype(np.float64) * weight).astype(np.float32)
    if not np.all(np.isfinite(result)):
        raise InvalidArgumentError(
            f"queries: a weight times its field's weight {weight} is beyond float32; use smaller weights",
            field="weights",
        )
    return result
