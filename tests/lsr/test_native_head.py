"""The native head against its formula in float64: every instruction set, nasty heads, odd sizes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lsr import _native

LEVELS = ["scalar", "avx2", "avx512"]
ISAS = LEVELS[: LEVELS.index(_native.supported_isa()) + 1]

Floats = npt.NDArray[np.float32]


@dataclass
class Case:
    hidden: Floats  # (tokens, width)
    offsets: npt.NDArray[np.int64]
    embedding: Floats  # (terms, width)
    bias: Floats
    center: Floats | None
    basis: tuple[Floats, Floats, list[int]] | None = None

    def head(self, isa: str) -> _native.Head:
        return _native.Head(self.embedding, self.bias, self.center, isa, self.basis)

    def logits(self) -> npt.NDArray[np.float64]:
        """max over tokens of x . e + b, in float64; -inf for a document without tokens."""
        every = self.hidden.astype(np.float64) @ self.embedding.astype(np.float64).T + self.bias
        result = np.full((len(self.offsets) - 1, len(self.bias)), -np.inf)
        for row, (start, stop) in enumerate(zip(self.offsets, self.offsets[1:], strict=False)):
            if stop > start:
                result[row] = every[start:stop].max(axis=0)
        return result

    def slack(self) -> npt.NDArray[np.float64]:
        """What float32 may be off by, for each (document, term): d additions of products this large."""
        sizes = np.abs(self.hidden).astype(np.float64) @ np.abs(self.embedding).astype(np.float64).T
        rows = [
            sizes[a:b].max(axis=0, initial=0.0) for a, b in zip(self.offsets, self.offsets[1:], strict=False)
        ]
        return (
            (self.hidden.shape[1] + 4)
            * 2.0**-23
            * (np.array(rows).reshape(-1, len(self.bias)) + np.abs(self.bias))
        )

    def rounding(self) -> npt.NDArray[np.float64]:
        """(d + 2) 2^-24 |x| |e| for (document, term): the most by which float32's product may be off."""
        norms = np.linalg.norm(self.hidden.astype(np.float64), axis=1)
        longest = [norms[a:b].max(initial=0.0) for a, b in itertools.pairwise(self.offsets)]
        sizes = np.outer(longest, np.linalg.norm(self.embedding.astype(np.float64), axis=1))
        return (self.hidden.shape[1] + 2) * 2.0**-24 * sizes


NASTY = [
    "plain",
    "shifted",
    "outliers",
    "tiny",
    "huge",
    "zero rows",
    "ties",
    "all positive",
    "one token dominates",
    "near ties",
]


def make_case(kind: str, seed: int, lengths: list[int], width: int, n_terms: int, *, centered: bool) -> Case:
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    hidden = rng.normal(size=(offsets[-1], width))
    embedding = rng.normal(size=(n_terms, width))
    bias = rng.normal(size=n_terms) - 2.0 * np.sqrt(width)
    if kind == "shifted":
        hidden += 8.0 * rng.normal(size=width)
        bias -= embedding @ hidden.mean(axis=0) if len(hidden) else 0.0
    elif kind == "outliers":
        embedding[:, 0] *= 1e4 * (rng.random(n_terms) < 0.3)
        hidden[:, -1] *= 1e3
    elif kind == "tiny":
        hidden, embedding, bias = hidden * 1e-19, embedding * 1e-19, bias * 1e-38
    elif kind == "huge":
        hidden, embedding, bias = hidden * 1e10, embedding * 1e10, bias * 1e10
    elif kind == "zero rows":
        hidden[::2], embedding[1::2] = 0.0, 0.0
        bias[::3] = 0.0
    elif kind == "ties":
        hidden, embedding = np.sign(hidden), np.sign(embedding)
        bias = np.full(n_terms, -float(width // 4))
    elif kind == "all positive":
        bias += 1e3
    elif kind == "one token dominates" and len(hidden):
        hidden[rng.integers(len(hidden))] *= 1e6
    elif kind == "near ties":
        hidden = np.resize(hidden[:3], hidden.shape) * (1.0 + 2.0**-23 * rng.integers(-2, 3, hidden.shape))
    as32 = [part.astype(np.float32) for part in (hidden, embedding, bias)]
    center = rng.normal(size=width).astype(np.float32) if centered else None
    return Case(as32[0], offsets, as32[1], as32[2], center)


def make_basis(seed: int, width: int, n_rest: int, n_norms: int) -> tuple[Floats, Floats, list[int]]:
    """Two matrices that are inverse to each other, up to rounding, with axes of unlike length."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(width, width)))[0] for _ in range(2))
    stretch = np.exp(rng.normal(size=width))[:, None]
    forward, backward = (left @ (scale * right) for scale in (stretch, 1.0 / stretch))
    inner = sorted(rng.choice(np.arange(1, n_rest), n_norms - 1, replace=False).tolist()) if n_rest else []
    return forward.astype(np.float32), backward.astype(np.float32), [0, *inner, n_rest] if n_rest else [0]


def dense(rows: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], Floats], n_terms: int) -> Floats:
    indptr, terms, weights = rows
    result = np.zeros((len(indptr) - 1, n_terms), np.float32)
    result[np.repeat(np.arange(len(result)), np.diff(indptr)), terms] = weights
    return result


def check(case: Case, isa: str) -> None:
    n_terms = len(case.bias)
    head = case.head(isa)
    logits, slack = case.logits(), case.slack()

    indptr, candidates = head.candidates(case.hidden, case.offsets)
    is_candidate = np.zeros_like(logits, dtype=bool)
    is_candidate[np.repeat(np.arange(len(logits)), np.diff(indptr)), candidates] = True
    # What float32's product might lift above zero must be a candidate, too: the bound holds for the product
    # as computed. What float64 itself rounds is below 2^-40 of the sizes involved.
    assert is_candidate[logits + case.rounding() > slack * 2.0**-17].all()

    indptr, terms, weights = head.encode(case.hidden, case.offsets)
    for start, stop in itertools.pairwise(indptr):
        assert (np.diff(terms[start:stop].astype(np.int64)) > 0).all()
    assert (weights > 0).all()
    expected = np.log1p(np.maximum(logits, 0.0))
    found = dense((indptr, terms, weights), n_terms)
    assert (np.abs(found - expected) <= slack + 1e-6 * np.abs(expected)).all()
    assert ((found > 0) == (logits > 0))[np.abs(logits) > slack].all()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(NASTY),
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=6),
    width=st.sampled_from([1, 3, 4, 5, 16, 31, 64, 130]),
    n_terms=st.sampled_from([1, 15, 16, 63, 64, 65, 200]),
    centered=st.booleans(),
)
@example(kind="tiny", seed=1, lengths=[3], width=4, n_terms=65, centered=False)
@example(kind="huge", seed=1, lengths=[7, 0, 1], width=5, n_terms=65, centered=True)
@pytest.mark.parametrize("isa", ISAS)
def test_support_and_weights_equal_the_formula(
    isa: str, kind: str, seed: int, lengths: list[int], width: int, n_terms: int, *, centered: bool
) -> None:
    check(make_case(kind, seed, lengths, width, n_terms, centered=centered), isa)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(NASTY),
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=6),
    width_rest_norms=st.sampled_from(
        [(16, 0, 0), (16, 12, 4), (32, 4, 4), (64, 28, 4), (64, 60, 12), (64, 56, 8)]
    ),
    n_terms=st.sampled_from([1, 63, 65, 200]),
    centered=st.booleans(),
)
@example(kind="tiny", seed=1, lengths=[3], width_rest_norms=(32, 4, 4), n_terms=65, centered=False)
@example(kind="huge", seed=1, lengths=[7, 0, 1], width_rest_norms=(64, 28, 4), n_terms=65, centered=True)
@pytest.mark.parametrize("isa", ISAS)
def test_no_basis_changes_the_result(
    isa: str,
    kind: str,
    seed: int,
    lengths: list[int],
    width_rest_norms: tuple[int, int, int],
    n_terms: int,
    *,
    centered: bool,
) -> None:
    """In any basis, with most of it bounded by norms, the candidates are a superset, and the bits the same."""
    width, n_rest, n_norms = width_rest_norms
    case = make_case(kind, seed, lengths, width, n_terms, centered=centered)
    plain = case.head(isa).encode(case.hidden, case.offsets)
    case.basis = make_basis(seed, width, n_rest, n_norms)
    check(case, isa)
    for found, expected in zip(case.head(isa).encode(case.hidden, case.offsets), plain, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("isa", ISAS)
def test_a_rest_of_nothing_costs_hardly_a_candidate(isa: str) -> None:
    """Where the rest's coordinates are zero, the screened ones alone bound about as sharply as all of them."""
    case = make_case("plain", 4, [30, 5], 64, 500, centered=False)
    case.hidden[:, :28] = 0.0
    _, plain = case.head(isa).candidates(case.hidden, case.offsets)
    case.basis = (np.eye(64, dtype=np.float32), np.eye(64, dtype=np.float32), [0, 7, 14, 21, 28])
    _, screened = case.head(isa).candidates(case.hidden, case.offsets)
    assert len(screened) <= 1.1 * len(plain) < 500


def test_bases_that_are_none_are_refused() -> None:
    case = make_case("plain", 2, [3, 4], 32, 20, centered=False)
    forward, backward, edges = make_basis(1, 32, 12, 4)
    narrow = make_case("plain", 2, [3, 4], 24, 20, centered=False)
    narrow.basis = (np.eye(24, dtype=np.float32), np.eye(24, dtype=np.float32), [0])
    refused = {
        "not inverse": (forward, forward, edges),
        "not finite or too large": (forward * np.float32(np.nan), backward, edges),
        "rise from 0": (forward, backward, [0, 5, 5, 12]),
        "screened numbers of 8, not 32, 12 and 22": (forward, backward, [0, 6, 12]),
        "32 x 32": (forward[:16].copy(), backward, edges),
    }
    for message, basis in refused.items():
        case.basis = basis
        with pytest.raises(ValueError, match=message):
            case.head("")
    with pytest.raises(ValueError, match="multiple of 16"):
        narrow.head("")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), width=st.sampled_from([130, 384, 768]), share=st.floats(0.5, 0.99))
@pytest.mark.parametrize("isa", ISAS)
def test_terms_just_below_zero_are_candidates(isa: str, seed: int, width: int, share: float) -> None:
    """Values that codes hold exactly leave nothing of the bound but its slack: a smaller one fails here."""
    rng = np.random.default_rng(seed)
    largest = 63 if isa == "avx2" else 127
    hidden, embedding = (
        rng.integers(-largest, largest + 1, size=(n, width)).astype(np.float32) for n in (7, 100)
    )
    hidden[:, 0], embedding[:, 0] = largest, largest
    case = Case(hidden, np.array([0, 7]), embedding, np.zeros(100, np.float32), None)
    case.bias = -(case.logits() + share * case.rounding())[0].astype(np.float32)
    below = case.logits()[0] < -0.4 * case.rounding()[0]
    _, candidates = _native.Head(case.embedding, case.bias, None, isa).candidates(case.hidden, case.offsets)
    assert below.any()
    assert set(np.flatnonzero(case.logits()[0] + case.rounding()[0] > 0)) <= set(candidates.tolist())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("width", "n_terms"), [(128, 30522), (768, 2000), (32, 250_002)])
def test_real_sizes(isa: str, width: int, n_terms: int) -> None:
    if isa == "scalar":
        n_terms = min(n_terms, 5000)
    check(make_case("shifted", 7, [30, 1, 13], width, n_terms, centered=True), isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", NASTY)
def test_centre_threads_and_batches_change_nothing(isa: str, kind: str) -> None:
    """The filter only chooses what is computed: any centre and any split give the same bits."""
    case = make_case(kind, 3, [17, 40, 0, 5, 900, 300, 1], 24, 150, centered=True)
    plain = _native.Head(case.embedding, case.bias, None, isa).encode(case.hidden, case.offsets)
    centered = _native.Head(case.embedding, case.bias, case.center, isa)
    for threads in (1, 2, 3):
        for found, expected in zip(centered.encode(case.hidden, case.offsets, threads), plain, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("isa", ISAS)
def test_positions_name_the_token_that_won(isa: str) -> None:
    case = make_case("plain", 5, [9, 1, 30], 16, 100, centered=True)
    head = _native.Head(case.embedding, case.bias + 6.0, case.center, isa)
    indptr, terms, weights, positions = head.encode_with_positions(case.hidden, case.offsets)
    for found, expected in zip((indptr, terms, weights), head.encode(case.hidden, case.offsets), strict=True):
        np.testing.assert_array_equal(found, expected)
    every = case.hidden.astype(np.float64) @ case.embedding.astype(np.float64).T
    for row, (start, stop) in enumerate(itertools.pairwise(indptr)):
        of_document = every[case.offsets[row] : case.offsets[row + 1]]
        np.testing.assert_array_equal(positions[start:stop], of_document[:, terms[start:stop]].argmax(axis=0))


def test_an_infinitely_negative_bias_silences_a_term() -> None:
    case = make_case("all positive", 2, [4], 8, 20, centered=False)
    case.bias[3] = -np.inf
    _, terms, _ = _native.Head(case.embedding, case.bias).encode(case.hidden, case.offsets)
    assert 3 not in terms.tolist()
    assert len(terms) == 19


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e20])
def test_values_that_are_no_numbers_are_refused_by_place(isa: str, bad: float) -> None:
    case = make_case("plain", 2, [3, 4], 8, 20, centered=False)
    head = _native.Head(case.embedding.copy(), case.bias, None, isa)
    case.hidden[5, 7] = bad
    with pytest.raises(ValueError, match="document 1: the hidden state of token 2"):
        head.encode(case.hidden, case.offsets)
    case.embedding[11, 0] = bad
    with pytest.raises(ValueError, match="embedding row 11"):
        _native.Head(case.embedding, case.bias, None, isa)


def test_shapes_that_do_not_fit_are_refused() -> None:
    case = make_case("plain", 2, [3, 4], 8, 20, centered=False)
    with pytest.raises(ValueError, match="20 terms, but the bias 19"):
        _native.Head(case.embedding, case.bias[:-1])
    with pytest.raises(ValueError, match="8 columns, but the center 7"):
        _native.Head(case.embedding, case.bias, np.zeros(7, np.float32))
    with pytest.raises(ValueError, match="unknown instruction set 'sse'"):
        _native.Head(case.embedding, case.bias, None, "sse")
    with pytest.raises(TypeError):
        _native.Head(case.embedding.astype(np.float64), case.bias)
    head = _native.Head(case.embedding, case.bias)
    with pytest.raises(ValueError, match="9 columns, but the head's width is 8"):
        head.encode(np.zeros((7, 9), np.float32), case.offsets)
    for offsets in ([0, 3], [0, 5, 3, 7], [1, 7], [-1, 7]):
        with pytest.raises(ValueError, match="rise from 0 to the number of tokens, 7"):
            head.encode(case.hidden, np.array(offsets, np.int64))
