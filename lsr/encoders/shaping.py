"""What happens to a vector after pooling: terms masked, weights pruned, length normalised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors


@dataclass(frozen=True, slots=True)
class Shaping:
    """Steps in the order they are applied; None or False leaves a step out.

    top:   keep the ``top`` largest weights of a row (PROSPER's lexical focusing window)
    ratio: keep weights of at least ``ratio`` times the row's largest
    mass:  keep the largest weights until they hold this share of the row's sum
    unit_length: divide a row by its Euclidean length
    """

    top: int | None = None
    ratio: float | None = None
    mass: float | None = None
    unit_length: bool = False

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise InvalidArgumentError(f"top must be at least 1, not {self.top}", field="top")
        for name, value in (("ratio", self.ratio), ("mass", self.mass)):
            if value is not None and not 0.0 < value <= 1.0:
                raise InvalidArgumentError(f"{name} must be above 0 and at most 1, not {value}", field=name)

    def __call__(self, vectors: SparseVectors) -> SparseVectors:
        if self.top is not None:
            vectors = vectors.top(self.top)
        if self.ratio is not None:
            vectors = keep_ratio(vectors, self.ratio)
        if self.mass is not None:
            vectors = vectors.prune(mass=self.mass)
        return to_unit_length(vectors) if self.unit_length else vectors


def keep_ratio(vectors: SparseVectors, ratio: float) -> SparseVectors:
    """Keep each row's weights of at least ``ratio`` times its largest."""
    rows = row_numbers(vectors)
    largest = np.zeros(len(vectors), np.float32)
    np.maximum.at(largest, rows, vectors.weights)
    return keep(vectors, vectors.weights >= np.float32(ratio) * largest[rows])


def to_unit_length(vectors: SparseVectors) -> SparseVectors:
    """Each row divided by its Euclidean length, summed in float64; empty rows stay empty."""
    rows = row_numbers(vectors)
    squares = np.bincount(rows, weights=vectors.weights.astype(np.float64) ** 2, minlength=len(vectors))
    scaled = (vectors.weights / np.sqrt(squares)[rows]).astype(np.float32)
    return keep(
        SparseVectors(vectors.indptr, vectors.terms, scaled, vectors.vocabulary_size),
        scaled > 0,  # a weight 1e-38 of its row's length rounds to 0
    )


def row_numbers(vectors: SparseVectors) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The row of each non-zero, shape (nnz,)."""
    return np.repeat(np.arange(len(vectors)), np.diff(vectors.indptr))


def keep(vectors: SparseVectors, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> SparseVectors:
    """The same rows with only the non-zeros where ``chosen`` is True."""
    indptr = np.zeros(len(vectors) + 1, np.int64)
    np.cumsum(np.bincount(row_numbers(vectors)[chosen], minlength=len(vectors)), out=indptr[1:])
    return SparseVectors(indptr, vectors.terms[chosen], vectors.weights[chosen], vectors.vocabulary_size)
