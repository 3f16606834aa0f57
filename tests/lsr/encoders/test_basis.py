"""The basis in which the native filter multiplies less."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsr import _native
from lsr.encoders.basis import PIECES, HeadArrays, balance, cosines, equal_shares, find_basis

Floats = npt.NDArray[np.float32]
WIDTH = 64


def correlated(seed: int, n: int, decay: float) -> Floats:
    """Rows whose variance falls off along axes of no particular direction, the same ones for every seed."""
    axes = np.linalg.qr(np.random.default_rng(99).normal(size=(WIDTH, WIDTH)))[0]
    rows = np.random.default_rng(seed).normal(size=(n, WIDTH)) * decay ** np.arange(WIDTH)
    return (rows @ axes).astype(np.float32)


def case(decay: float) -> tuple[HeadArrays, Floats, npt.NDArray[np.int64]]:
    bias = np.full(600, -16.0 * (1 - decay**64) ** 0.5 if decay < 1 else -16.0, np.float32)
    head = HeadArrays(correlated(1, 600, decay), bias, np.zeros(WIDTH, np.float32))
    return head, correlated(2, 2048, decay), np.arange(0, 2049, 32)


def test_few_coordinates_do_where_few_vary() -> None:
    head, hidden, offsets = case(0.9)
    basis = find_basis(head, hidden, offsets, "")
    assert basis is not None
    _, _, edges = basis
    assert edges[-1] >= 12
    plain = _native.Head(head.embedding, head.bias, head.center)
    tuned = _native.Head(head.embedding, head.bias, head.center, "", basis)
    for found, expected in zip(tuned.encode(hidden, offsets), plain.encode(hidden, offsets), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_all_coordinates_are_kept_where_all_vary_alike() -> None:
    head, hidden, offsets = case(1.0)
    basis = find_basis(head, hidden, offsets, "")
    assert basis is None or basis[2] == [0]


def test_heads_that_have_no_basis() -> None:
    head, hidden, offsets = case(0.9)
    nothing = HeadArrays(np.zeros_like(head.embedding), head.bias, head.center)
    assert find_basis(nothing, hidden, offsets, "") is None
    narrow = HeadArrays(head.embedding[:, :40].copy(), head.bias, head.center[:40])
    assert find_basis(narrow, hidden[:, :40].copy(), offsets, "") is None


def test_a_balanced_basis_keeps_products_and_decorrelates() -> None:
    states, terms = correlated(1, 4000, 0.95), correlated(2, 4000, 0.97)
    balanced = balance(states, terms)
    np.testing.assert_allclose(balanced.forward.T @ balanced.backward, np.eye(WIDTH), atol=1e-9)
    moved = states @ balanced.forward.T
    spread = moved.T @ moved / len(moved)
    np.testing.assert_allclose(spread, np.diag(balanced.importance), atol=2e-2 * balanced.importance[0])
    assert (np.diff(balanced.importance) <= 0).all()


@pytest.mark.parametrize("n", [4, 12, 60])
def test_cosines_are_orthogonal(n: int) -> None:
    np.testing.assert_allclose(cosines(n) @ cosines(n).T, np.eye(n), atol=1e-12)


@given(st.lists(st.floats(1e-6, 1e6), min_size=PIECES, max_size=60))
def test_pieces_are_never_empty(importance: list[float]) -> None:
    edges = [0, *equal_shares(np.array(importance))]
    assert len(edges) == PIECES + 1
    assert edges[-1] == len(importance)
    assert (np.diff(edges) > 0).all()
