"""Coordinates in which the native filter multiplies less, found from hidden states of the texts at hand.

A product x . e is the same in any basis. In a balanced one, where hidden states and embeddings spread alike
along each axis and along no two together, a few coordinates hold most of it: the filter multiplies those and
bounds the rest by norms (lsr/native/head/packed_head.h has the proof). A poor basis costs time and changes no
result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsr import _native

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
NativeBasis = tuple[Floats, Floats, list[int]]

# Hidden states for each column: with 8 a third more candidates remain than with 32, with 56 a twentieth fewer.
SAMPLE_PER_COLUMN = 32
# Pieces of the rest, each with a norm. More bound it better, and each takes a coordinate's place.
PIECES = 4
# Terms and tokens on which numbers of coordinates are compared.
TRIAL_TERMS = 2048
TRIAL_TOKENS = 1024
TERMS_FOR_COVARIANCE = 32_768
# What deciding a candidate costs besides its products, in multiplications of the filter (measured: 50 ns).
DECISION = 12_000
# Shares of the mean variance, added to each axis: they keep the matrices well-conditioned.
SPREAD_OF_STATES = 1e-3
SPREAD_OF_TERMS = 1e-5


@dataclass(frozen=True, slots=True)
class HeadArrays:
    """embedding: (terms, width), bias: (terms,), center: (width,) as ``lsr._native.Head`` takes them."""

    embedding: Floats
    bias: Floats
    center: Floats

    def sample(self) -> HeadArrays:
        step = max(1, len(self.bias) // TRIAL_TERMS)
        return HeadArrays(np.ascontiguousarray(self.embedding[::step]), self.bias[::step].copy(), self.center)


@dataclass(frozen=True, slots=True)
class Balanced:
    """Both matrices, (width, width), most important axis first; importance: variance along each, (width,)."""

    forward: Doubles
    backward: Doubles
    importance: Doubles

    def native(self, n_screened: int) -> NativeBasis:
        """The basis whose filter multiplies n_screened numbers, a multiple of 8, norms among them."""
        width = len(self.importance)
        kept = n_screened - PIECES if n_screened < width else width
        mixed = cosines(kept)
        edges = [0, *equal_shares(self.importance[kept:])] if kept < width else [0]
        return in_order(self.forward, mixed), in_order(self.backward, mixed), edges


def find_basis(
    head: HeadArrays, hidden: Floats, offsets: npt.NDArray[np.int64], isa: str
) -> NativeBasis | None:
    """The basis with which encoding these texts costs least; None if that is the one they are in.

    hidden: (tokens, width), not centred; offsets: (texts + 1,)
    """
    width = head.embedding.shape[1]
    if width % 16:
        return None
    try:
        balanced = balance(hidden - head.center, head.embedding)
    except np.linalg.LinAlgError:  # no variance at all
        return None
    trial = head.sample()
    n_texts = min(len(offsets) - 1, max(1, int(np.searchsorted(offsets, TRIAL_TOKENS))))
    texts = hidden[: offsets[n_texts]], offsets[: n_texts + 1]
    best, least = None, np.inf
    for basis in bases(balanced):
        cost = filter_cost(trial, texts, basis, isa)
        if cost >= least:
            break
        best, least = basis, cost
    return best if least < filter_cost(trial, texts, None, isa) else None


def bases(balanced: Balanced) -> Iterator[NativeBasis]:
    """Ever fewer coordinates: costs fall, then rise."""
    width = len(balanced.importance)
    step = (width // 16 + 7) // 8 * 8
    return (balanced.native(n) for n in range(width, width // 2 - 1, -step))


def filter_cost(head: HeadArrays, texts: tuple[Floats, Integers], basis: NativeBasis | None, isa: str) -> float:
    """Multiplications for each term and token, those for candidates included."""
    hidden, offsets = texts
    n_terms, width = head.embedding.shape
    native = _native.Head(head.embedding, head.bias, head.center, isa, basis)
    indptr, _ = native.candidates(hidden, offsets)
    rest = basis[2] if basis is not None else [0]
    n_screened = width - rest[-1] + len(rest) - 1
    per_candidate = width * np.diff(offsets) + DECISION
    return float(n_screened + np.diff(indptr) @ per_candidate / (n_terms * len(hidden)))


def balance(states: Floats, embedding: Floats) -> Balanced:
    """The basis in which both covariances are the same diagonal matrix.

    Raises LinAlgError if there is no variance.
    """
    rows = embedding[:: max(1, len(embedding) // TERMS_FOR_COVARIANCE)]
    of_states = np.linalg.cholesky(covariance(states, SPREAD_OF_STATES))
    of_terms = np.linalg.cholesky(covariance(rows, SPREAD_OF_TERMS))
    left, importance, right = np.linalg.svd(of_terms.T @ of_states)
    scale = (importance**-0.5)[:, None]
    return Balanced(scale * (left.T @ of_terms.T), scale * (right @ of_states.T), importance)


def covariance(rows: Floats, spread: float) -> Doubles:
    matrix: Doubles = (rows.T @ rows).astype(np.float64) / max(1, len(rows))
    matrix += np.eye(len(matrix)) * (spread * np.trace(matrix) / len(matrix))
    return matrix


def cosines(n: int) -> Doubles:
    """An orthogonal matrix that spreads each axis over all: codes of one step then fit all coordinates."""
    matrix: Doubles = np.sqrt(2 / n) * np.cos(np.pi / n * np.outer(np.arange(n) + 0.5, np.arange(n)))
    matrix[:, 0] /= np.sqrt(2)
    return matrix


def in_order(matrix: Doubles, mixed: Doubles) -> Floats:
    """The rest first, then the screened coordinates, mixed."""
    kept = len(mixed)
    return np.concatenate([matrix[kept:], mixed @ matrix[:kept]]).astype(np.float32)


def equal_shares(importance: Doubles) -> list[int]:
    """Ends of PIECES pieces with about the same importance, none empty."""
    upto = np.cumsum(importance)
    least = np.arange(1, PIECES)
    ends = np.searchsorted(upto, upto[-1] * least / PIECES) + 1
    ends = np.maximum.accumulate(ends - least) + least
    return [*np.clip(ends, least, len(importance) - PIECES + least).tolist(), len(importance)]
