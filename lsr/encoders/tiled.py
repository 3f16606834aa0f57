"""Pooling over positions without the ``[batch, length, vocabulary]`` logits.

The vocabulary is cut into tiles. For each, the logits of all positions of the batch are written to one reused
buffer and pooled at once, so the extra memory is ``positions x TILE`` and not ``positions x vocabulary``
(30 times less for BERT), and the pooled row is activated once a term. This float32 path is also the oracle
that faster kernels are compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# 256 to 4,096 terms measure alike on CPU (125 to 132 µs a token for BERT-tiny); 512 is the fastest by 10 %.
TILE = 512


@dataclass(frozen=True, slots=True, eq=False)
class VocabularyProjection:
    """The last map of a language model: logits = hidden · weightᵀ + bias, then a soft cap if there is one.

    weight: (vocabulary, width); bias: (vocabulary,) or None
    cap: c in c·tanh(logit / c), as Gemma 2 squeezes its logits; None for none
    """

    weight: Tensor
    bias: Tensor | None
    cap: float | None = None

    def finish(self, products: Tensor, terms: slice | Tensor) -> Tensor:
        """Bias and cap for the plain products of some terms, shape (..., terms), in place. Non-decreasing."""
        if self.bias is not None:
            products += self.bias[terms]
        if self.cap is not None:
            products = products.div_(self.cap).tanh_().mul_(self.cap)
        return products


def tiles(vocabulary_size: int, tile: int = TILE) -> list[slice]:
    return [slice(start, min(start + tile, vocabulary_size)) for start in range(0, vocabulary_size, tile)]


def max_pool(
    hidden: Tensor,
    projection: VocabularyProjection,
    activate: Callable[[Tensor], Tensor],
    *,
    factor: Tensor | None = None,
    tile: int = TILE,
) -> Tensor:
    """max over positions of activate(logit) · factor, shape (texts, vocabulary), in the dtype of ``hidden``.

    hidden: (texts, positions, width); positions that do not count repeat one that does, so no mask is needed.
    factor: (texts, positions), > 0; without one the activation waits until after the maximum.
    """
    n_texts, n_positions, width = hidden.shape
    vocabulary_size = projection.weight.shape[0]
    flat = hidden.reshape(-1, width)
    pooled = hidden.new_empty(n_texts, vocabulary_size)
    buffer = hidden.new_empty(n_texts * n_positions * min(tile, vocabulary_size))
    for terms in tiles(vocabulary_size, tile):
        products = _product(flat, projection.weight[terms], buffer)
        if factor is not None:
            products = activate(projection.finish(products, terms)) * factor.reshape(-1, 1)
        torch.amax(products.view(n_texts, n_positions, -1), dim=1, out=pooled[:, terms])
    return pooled if factor is not None else activate(projection.finish(pooled, slice(None)))


def sum_pool(
    hidden: Tensor,
    counted: Tensor,
    projection: VocabularyProjection,
    activate: Callable[[Tensor], Tensor],
    *,
    tile: int = TILE,
) -> Tensor:
    """Sum over positions of activate(logit), shape (texts, vocabulary).

    counted: (texts, positions), 1 where a position takes part and 0 elsewhere, in the dtype of ``hidden``.
    """
    n_texts, n_positions, width = hidden.shape
    vocabulary_size = projection.weight.shape[0]
    flat = hidden.reshape(-1, width)
    pooled = hidden.new_empty(n_texts, vocabulary_size)
    buffer = hidden.new_empty(n_texts * n_positions * min(tile, vocabulary_size))
    for terms in tiles(vocabulary_size, tile):
        products = _product(flat, projection.weight[terms], buffer)
        activated = activate(projection.finish(products, terms)).view(n_texts, n_positions, -1)
        pooled[:, terms] = torch.bmm(counted.unsqueeze(1), activated).squeeze(1)
    return pooled


def _product(flat: Tensor, weight: Tensor, buffer: Tensor) -> Tensor:
    """flat · weightᵀ in the front of ``buffer``, shape (positions, terms)."""
    out = buffer[: flat.shape[0] * weight.shape[0]].view(flat.shape[0], weight.shape[0])
    return torch.mm(flat, weight.T, out=out)
