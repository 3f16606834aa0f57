"""Batches of sparse vectors in CSR form: the one currency between encoders, indexes and evaluation.

Checked once, where data enters (``checked``); everything behind that door trusts the invariants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsr.errors import InvalidArgumentError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from lsr.vocabulary import Vocabulary

Int64Array = npt.NDArray[np.int64]
UInt32Array = npt.NDArray[np.uint32]
Float32Array = npt.NDArray[np.float32]

MAX_VOCABULARY = 2**32 - 1  # ids are 32 bits wide


@dataclass(frozen=True, slots=True, eq=False)
class SparseVectors:
    """An immutable batch of n sparse vectors.

    indptr:  int64, shape (n + 1,), starts at 0, never falls; row i is ``[indptr[i], indptr[i + 1])``
    terms:   uint32, shape (nnz,), strictly ascending within a row, each < vocabulary_size
    weights: float32, shape (nnz,), finite and > 0
    """

    indptr: Int64Array
    terms: UInt32Array
    weights: Float32Array
    vocabulary_size: int

    def __post_init__(self) -> None:
        for array in (self.indptr, self.terms, self.weights):
            if array.flags.writeable:
                array.setflags(write=False)

    @classmethod
    def checked(
        cls,
        indptr: npt.ArrayLike,
        terms: npt.ArrayLike,
        weights: npt.ArrayLike,
        vocabulary_size: int,
        *,
        names: Sequence[str] | None = None,
    ) -> SparseVectors:
        """Build a batch from outside data, after checking every invariant.

        names: what to call each row in messages (document ids); positions otherwise.
        Raises InvalidArgumentError that names the row, the term and the value at fault.
        """
        if not 0 < vocabulary_size <= MAX_VOCABULARY:
            raise InvalidArgumentError(f"vocabulary_size must be 1 to {MAX_VOCABULARY}, not {vocabulary_size}")
        starts = np.ascontiguousarray(indptr, dtype=np.int64)
        _check_indptr(starts, np.size(terms), np.size(weights))
        term_ids = _as_term_ids(terms, starts, vocabulary_size, names)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
            values = np.ascontiguousarray(weights, dtype=np.float32)
        _check_weights(values, np.asarray(weights), starts, names)
        _check_ascending(term_ids, starts, names)
        return cls(starts, term_ids, values, vocabulary_size)

    @classmethod
    def empty(cls, n_rows: int, vocabulary_size: int) -> SparseVectors:
        """n_rows vectors without a single non-zero."""
        return cls(
            np.zeros(n_rows + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32), vocabulary_size
        )

    @classmethod
    def from_dicts(
        cls, rows: Sequence[Mapping[str, float]], vocabulary: Vocabulary, *, names: Sequence[str] | None = None
    ) -> SparseVectors:
        """From ``{term: weight}`` rows. Raises InvalidArgumentError on a term the vocabulary lacks."""
        return cls.from_id_dicts(
            [_ids_of(row, vocabulary, _name(names, index)) for index, row in enumerate(rows)],
            len(vocabulary),
            names=names,
        )

    @classmethod
    def from_id_dicts(
        cls, rows: Sequence[Mapping[int, float]], vocabulary_size: int, *, names: Sequence[str] | None = None
    ) -> SparseVectors:
        """From ``{term id: weight}`` rows, in any order within a row."""
        indptr = np.zeros(len(rows) + 1, np.int64)
        indptr[1:] = np.cumsum([len(row) for row in rows])
        pairs = [pair for row in rows for pair in sorted(row.items())]
        terms = np.array([term for term, _ in pairs], dtype=np.int64)
        weights = np.array([weight for _, weight in pairs], dtype=np.float64)
        return cls.checked(indptr, terms, weights, vocabulary_size, names=names)

    @classmethod
    def from_scipy(cls, matrix: csr_matrix) -> SparseVectors:
        """From a scipy CSR matrix, shape (n, vocabulary_size); explicit zeros are dropped."""
        canonical = matrix.tocsr(copy=True)
        # scipy's loops trust both arrays, which may come from a file: what is outside would be read or written.
        starts = np.asarray(canonical.indptr, np.int64)
        _check_indptr(starts, canonical.indices.size, canonical.data.size)
        _as_term_ids(canonical.indices, starts, int(canonical.shape[1]), None)
        canonical.sum_duplicates()
        canonical.eliminate_zeros()
        canonical.sort_indices()
        return cls.checked(canonical.indptr, canonical.indices, canonical.data, int(canonical.shape[1]))

    @classmethod
    def concatenate(cls, batches: Sequence[SparseVectors]) -> SparseVectors:
        """One batch with the rows of all, in order. All must share one vocabulary size."""
        sizes = {batch.vocabulary_size for batch in batches}
        if len(sizes) != 1:
            raise InvalidArgumentError(f"cannot join vectors over vocabularies of sizes {sorted(sizes)}")
        if len(batches) == 1:
            return batches[0]
        counts = np.concatenate([np.diff(batch.indptr) for batch in batches])
        indptr = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        return cls(
            indptr,
            np.concatenate([batch.terms[batch.indptr[0] : batch.indptr[-1]] for batch in batches]),
            np.concatenate([batch.weights[batch.indptr[0] : batch.indptr[-1]] for batch in batches]),
            sizes.pop(),
        )

    @classmethod
    def load(cls, path: Path) -> SparseVectors:
        """Read what ``save`` wrote; the file is treated as untrusted."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls.checked(
                arrays["indptr"], arrays["terms"], arrays["weights"], int(arrays["vocabulary_size"])
            )

    def save(self, path: Path) -> None:
        """Write an uncompressed ``.npz`` with indptr, terms, weights and vocabulary_size."""
        with path.open("wb") as file:
            np.savez(
                file,
                indptr=self.indptr,
                terms=self.terms,
                weights=self.weights,
                vocabulary_size=np.int64(self.vocabulary_size),
            )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """Non-zeros of all rows together."""
        return int(self.indptr[-1] - self.indptr[0])

    def row(self, index: int) -> tuple[UInt32Array, Float32Array]:
        """Terms and weights of one vector, as views."""
        start, end = self.indptr[index], self.indptr[index + 1]
        return self.terms[start:end], self.weights[start:end]

    def rows(self, start: int, stop: int) -> SparseVectors:
        """Rows start to stop as a batch of its own; terms and weights are views."""
        first, last = self.indptr[start], self.indptr[stop]
        return SparseVectors(
            self.indptr[start : stop + 1] - first,
            self.terms[first:last],
            self.weights[first:last],
            self.vocabulary_size,
        )

    def take(self, positions: npt.ArrayLike) -> SparseVectors:
        """The rows at ``positions``, in that order; a position may repeat."""
        chosen = np.asarray(positions, dtype=np.int64)
        counts = np.diff(self.indptr)[chosen]
        indptr = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        source = np.repeat(self.indptr[:-1][chosen] - indptr[:-1], counts) + np.arange(indptr[-1])
        return SparseVectors(indptr, self.terms[source], self.weights[source], self.vocabulary_size)

    def top(self, k: int) -> SparseVectors:
        """Keep each row's k largest weights; of equal ones the smaller term id stays."""
        if k < 1:
            raise InvalidArgumentError(f"top: k must be at least 1, not {k}", field="k")
        row_of = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        order = np.lexsort((self.terms, -self.weights, row_of))
        rank = np.arange(self.nnz) - self.indptr[row_of]
        return self._keeping(order[rank < k])

    def prune(self, *, mass: float) -> SparseVectors:
        """Keep each row's largest weights until they hold ``mass`` (0 to 1] of the row's sum.

        The term that crosses the mark is kept, so a non-empty row never becomes empty.
        """
        if not 0.0 < mass <= 1.0:
            raise InvalidArgumentError(f"prune: mass must be above 0 and at most 1, not {mass}", field="mass")
        if mass == 1.0:
            return self
        row_of = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        order = np.lexsort((self.terms, -self.weights, row_of))
        ordered = self.weights[order].astype(np.float64)
        before = np.concatenate([[0.0], np.cumsum(ordered)])
        held_before = before[:-1] - before[self.indptr[row_of]]
        totals = before[self.indptr[1:]] - before[self.indptr[:-1]]
        return self._keeping(order[held_before < mass * totals[row_of]])

    def to_scipy(self) -> csr_matrix:
        """A scipy CSR matrix, float32, shape (n, vocabulary_size)."""
        from scipy.sparse import csr_matrix

        return csr_matrix(
            (self.weights, self.terms.astype(np.int64), self.indptr), shape=(len(self), self.vocabulary_size)
        )

    def to_dicts(self, vocabulary: Vocabulary) -> list[dict[str, float]]:
        """``{term: weight}`` for each row, heaviest first."""
        result = []
        for index in range(len(self)):
            terms, weights = self.row(index)
            order = np.lexsort((terms, -weights))
            result.append({vocabulary[int(terms[at])]: float(weights[at]) for at in order})
        return result

    def _keeping(self, positions: npt.NDArray[np.int64]) -> SparseVectors:
        """The same rows with only the non-zeros at ``positions``."""
        kept = np.sort(positions)
        indptr = np.searchsorted(kept, self.indptr).astype(np.int64)
        return SparseVectors(indptr, self.terms[kept], self.weights[kept], self.vocabulary_size)


@dataclass(frozen=True, slots=True, eq=False)
class TermCounts:
    """A batch of bags of words, for a counted field.

    indptr, terms: as in SparseVectors, ids of the index's own vocabulary
    counts:  uint32, shape (nnz,), each >= 1: occurrences of the term in the text
    lengths: uint32, shape (n,): terms of the text with repeats, after the analyzer
    """

    indptr: Int64Array
    terms: UInt32Array
    counts: UInt32Array
    lengths: UInt32Array

    def __post_init__(self) -> None:
        for array in (self.indptr, self.terms, self.counts, self.lengths):
            if array.flags.writeable:
                array.setflags(write=False)

    @classmethod
    def from_bags(cls, bags: Iterable[UInt32Array]) -> TermCounts:
        """From one array of term ids, with repeats and in any order, for each text."""
        terms, counts, sizes, lengths = [], [], [], []
        for bag in bags:
            distinct, occurrences = np.unique(bag, return_counts=True)
            terms.append(distinct)
            counts.append(occurrences)
            sizes.append(len(distinct))
            lengths.append(len(bag))
        indptr = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(np.array(sizes, dtype=np.int64), out=indptr[1:])
        joined_terms = np.concatenate(terms) if terms else np.zeros(0)
        joined_counts = np.concatenate(counts) if counts else np.zeros(0)
        return cls(
            indptr,
            joined_terms.astype(np.uint32),
            joined_counts.astype(np.uint32),
            np.array(lengths, np.uint32),
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        return int(self.indptr[-1] - self.indptr[0])

    def row(self, index: int) -> tuple[UInt32Array, UInt32Array]:
        """Terms and counts of one text, as views."""
        start, end = self.indptr[index], self.indptr[index + 1]
        return self.terms[start:end], self.counts[start:end]

    def rows(self, start: int, stop: int) -> TermCounts:
        """Rows start to stop as a batch of its own; terms, counts and lengths are views."""
        first, last = self.indptr[start], self.indptr[stop]
        return TermCounts(
            self.indptr[start : stop + 1] - first,
            self.terms[first:last],
            self.counts[first:last],
            self.lengths[start:stop],
        )


def _name(names: Sequence[str] | None, row: int) -> str:
    return repr(names[row]) if names is not None else str(row)


def _row_at(indptr: Int64Array, position: int) -> int:
    return int(np.searchsorted(indptr, position, side="right")) - 1


def _ids_of(row: Mapping[str, float], vocabulary: Vocabulary, name: str) -> dict[int, float]:
    ids: dict[int, float] = {}
    for term, weight in row.items():
        term_id = vocabulary.id_of(term)
        if term_id is None:
            raise InvalidArgumentError(
                f"vector {name}: the vocabulary has no term {term!r}", field=f"terms.{term}"
            )
        ids[term_id] = weight
    return ids


def _check_indptr(indptr: Int64Array, n_terms: int, n_weights: int) -> None:
    if indptr.ndim != 1 or len(indptr) == 0 or indptr[0] != 0 or np.any(np.diff(indptr) < 0):
        raise InvalidArgumentError("indptr must be one-dimensional, start at 0 and never fall")
    if indptr[-1] != n_terms or n_terms != n_weights:
        raise InvalidArgumentError(
            f"indptr ends at {indptr[-1]}, but there are {n_terms} terms and {n_weights} weights;"
            " all three must be equal"
        )


def _as_term_ids(
    terms: npt.ArrayLike, indptr: Int64Array, vocabulary_size: int, names: Sequence[str] | None
) -> UInt32Array:
    given = np.asarray(terms)
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise InvalidArgumentError(f"term ids must be integers, not {given.dtype}")
    outside = (given < 0) | (given >= vocabulary_size)
    if np.any(outside):
        at = int(np.argmax(outside))
        raise InvalidArgumentError(
            f"vector {_name(names, _row_at(indptr, at))}: term id {given[at]} is outside the vocabulary"
            f" (0 to {vocabulary_size - 1})"
        )
    return np.ascontiguousarray(given, dtype=np.uint32)


def _check_weights(
    values: Float32Array, given: npt.NDArray[np.generic], indptr: Int64Array, names: Sequence[str] | None
) -> None:
    wrong = ~(np.isfinite(values) & (values > 0))
    if np.any(wrong):
        at = int(np.argmax(wrong))
        raise InvalidArgumentError(
            f"vector {_name(names, _row_at(indptr, at))}: weight {given[at]} of non-zero {at};"
            " weights must be finite, above zero and within float32",
            field="weights",
        )


def _check_ascending(terms: UInt32Array, indptr: Int64Array, names: Sequence[str] | None) -> None:
    if len(terms) < 2:
        return
    rising = terms[1:] > terms[:-1]
    inner_starts = indptr[1:-1]
    rising[inner_starts[(inner_starts > 0) & (inner_starts < len(terms))] - 1] = True
    if not np.all(rising):
        at = int(np.argmin(rising)) + 1
        raise InvalidArgumentError(
            f"vector {_name(names, _row_at(indptr, at))}: term ids must be strictly ascending,"
            f" but {terms[at]} follows {terms[at - 1]}"
        )
