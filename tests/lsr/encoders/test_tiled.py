"""Tiled pooling against the formula written out over the full logits in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lsr.encoders.activations import ACTIVATIONS
from lsr.encoders.composition import ActivationName
from lsr.encoders.kernels import to_sparse
from lsr.encoders.pooling import Positions
from lsr.encoders.tiled import VocabularyProjection, max_pool, sum_pool
from lsr.errors import ModelError

FORMULAS = {
    "relu": lambda x: x.clamp(min=0),
    "log1p-relu": lambda x: torch.log(1 + x.clamp(min=0)),
    "log1p-log1p-relu": lambda x: torch.log(1 + torch.log(1 + x.clamp(min=0))),
    "log1p-softplus": lambda x: torch.log(1 + torch.log(1 + torch.exp(x))),
    "shifted-log-sigmoid": lambda x: (torch.log(torch.sigmoid(x)) + math.log(1e4)).clamp(min=0),
}
LENGTHS = (5, 1, 3)
WIDTH, TERMS = 6, 37


@pytest.fixture(params=[None, 2.0])
def projection(request: pytest.FixtureRequest) -> VocabularyProjection:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(TERMS, WIDTH, generator=generator)
    return VocabularyProjection(weight, torch.randn(TERMS, generator=generator), request.param)


@pytest.fixture
def padded() -> tuple[Tensor, Tensor]:
    """Hidden states with garbage behind each text's end, and the mask."""
    hidden = torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    hidden[mask == 0] = 1e6
    return hidden, mask


def activated(hidden: Tensor, projection: VocabularyProjection, activation: ActivationName) -> list[Tensor]:
    """Activations of each text's real positions, (length, terms), float64."""
    assert projection.bias is not None
    rows = []
    for text, length in zip(hidden.double(), LENGTHS, strict=True):
        logits = text[:length] @ projection.weight.double().T + projection.bias.double()
        if projection.cap is not None:
            logits = projection.cap * torch.tanh(logits / projection.cap)
        rows.append(FORMULAS[activation](logits))
    return rows


@pytest.mark.parametrize("tile", [1, 8, 37, 64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pooling_equals_the_formula(
    padded: tuple[Tensor, Tensor], projection: VocabularyProjection, activation: ActivationName, tile: int
) -> None:
    hidden, mask = padded
    activate = ACTIVATIONS[activation]
    expected = activated(hidden, projection, activation)

    chosen = Positions("all").pooled(np.array(LENGTHS), torch.device("cpu")).gather(hidden)
    largest = max_pool(chosen, projection, activate, tile=tile)
    torch.testing.assert_close(
        largest.double(), torch.stack([row.amax(0) for row in expected]), atol=1e-5, rtol=0
    )

    clean = hidden.masked_fill(mask.unsqueeze(-1) == 0, 3.0)
    total = sum_pool(clean, mask.to(hidden.dtype), projection, activate, tile=tile)
    torch.testing.assert_close(total.double(), torch.stack([row.sum(0) for row in expected]), atol=1e-5, rtol=0)


def test_non_zeros_are_found_and_nothing_else() -> None:
    pooled = torch.tensor([[0.0, 0.5, -0.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    vectors = to_sparse(pooled)
    assert vectors.indptr.tolist() == [0, 2, 2]
    assert vectors.terms.tolist() == [1, 3]
    assert vectors.weights.tolist() == [0.5, 2.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ModelError, match="not finite"):
        to_sparse(torch.tensor([[1.0, bad]]))
