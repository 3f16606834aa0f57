"""The native body alone, on random weights, without torch: instruction sets agree, neighbours do not matter."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsr import _native

LEVELS = ["scalar", "avx2", "avx512"]
ISAS = LEVELS[: LEVELS.index(_native.supported_isa()) + 1]
N_WORDS, N_POSITIONS = 40, 300

Floats = npt.NDArray[np.float32]


def random_parameters(width: int, inner: int, n_layers: int) -> tuple[Floats, dict[str, Floats]]:
    rng = np.random.default_rng(4)

    def values(*shape: int) -> Floats:
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    parameters = {"positions": values(N_POSITIONS, width), "transform.weight": values(width, width)}
    shapes = {"up": (inner, width), "down": (width, inner)}
    for layer in range(n_layers):
        for part in ("query", "key", "value", "attention_output", "up", "down"):
            shape = shapes.get(part, (width, width))
            parameters[f"layers.{layer}.{part}.weight"] = values(*shape)
            parameters[f"layers.{layer}.{part}.bias"] = values(shape[0])
        for part in ("attention_norm", "output_norm"):
            parameters[f"layers.{layer}.{part}.weight"] = 1.0 + values(width)
            parameters[f"layers.{layer}.{part}.bias"] = values(width)
    for part in ("embedding_norm", "transform_norm"):
        parameters[part + ".weight"], parameters[part + ".bias"] = 1.0 + values(width), values(width)
    parameters["transform.bias"] = values(width)
    return values(N_WORDS, width) * 4.0, parameters


def tokens(lengths: list[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return np.random.default_rng(5).integers(0, N_WORDS, offsets[-1]).astype(np.int32), offsets


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(0, 150), min_size=1, max_size=6),
    size=st.sampled_from([(16, 1, 16), (48, 3, 80), (64, 1, 256), (96, 2, 48)]),
)
def test_instruction_sets_agree(lengths: list[int], size: tuple[int, int, int]) -> None:
    width, heads, inner = size
    words, parameters = random_parameters(width, inner, 2)
    ids, offsets = tokens(lengths)
    expected, *others = (
        _native.Body(words, parameters, heads, 1e-12, isa).hidden(ids, offsets) for isa in ISAS
    )
    for found in others:
        np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_a_document_alone_gets_the_same_bits(isa: str) -> None:
    words, parameters = random_parameters(64, 96, 2)
    body = _native.Body(words, parameters, 2, 1e-12, isa)
    ids, offsets = tokens([1, 90, 0, 170, 260, 16, 17, 100])
    together = body.hidden(ids, offsets)
    for start, stop in itertools.pairwise(offsets):
        alone = body.hidden(ids[start:stop], np.array([0, stop - start]))
        np.testing.assert_array_equal(together[start:stop], alone)


@pytest.mark.parametrize("isa", ISAS)
def test_threads_share_a_call(isa: str) -> None:
    words, parameters = random_parameters(32, 48, 1)
    body = _native.Body(words, parameters, 2, 1e-12, isa)
    head = _native.Head(words, np.full(N_WORDS, -0.5, np.float32), None, isa)
    encoder = _native.Encoder(body, head)
    ids, offsets = tokens([int(n) for n in np.random.default_rng(6).integers(0, 200, 30)])
    alone = encoder.encode(ids, offsets, 1)
    for threads in (2, 3, 64):
        for found, expected in zip(encoder.encode(ids, offsets, threads), alone, strict=True):
            np.testing.assert_array_equal(found, expected)
