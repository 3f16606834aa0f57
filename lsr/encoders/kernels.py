"""The seam between texts and arithmetic: a kernel turns token ids into vectors, by whichever code is fastest.

``TorchKernel`` is the plain one for vocabulary heads and the oracle. Another implementation of ``Kernel`` may
take its place for the compositions it can compute, if its vectors agree within 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lsr.encoders.activations import ACTIVATIONS
from lsr.encoders.backbones import LanguageModel, torch_threads
from lsr.encoders.batching import BatchCost
from lsr.encoders.composition import ActivationName, PoolingName
from lsr.encoders.heads import Linears
from lsr.encoders.pooling import Pooled, Positions
from lsr.encoders.tiled import TILE, max_pool, sum_pool
from lsr.encoders.tokens import IntArray, Tokens
from lsr.errors import ModelError
from lsr.vectors import SparseVectors, UInt32Array

NOT_FINITE = (
    "the model gives weights that are not finite numbers. With float16 an overflow is likely: use bfloat16 or"
    " float32; otherwise its files are damaged."
)


class Attributor(Protocol):
    """Says which position of a text a term's weight came from."""

    def attribute(self, tokens: Tokens, terms: UInt32Array) -> IntArray:
        """For each term the position that gave it the most, int64, shape (terms,); −1 for none.

        tokens: one text. Of equal positions the first is named.
        """
        ...


class Kernel(Protocol):
    """Computes backbone and head; what follows is shaping and not its business.

    name: for reports: "torch", "native-avx512", ...
    """

    @property
    def name(self) -> str: ...

    @property
    def cost(self) -> BatchCost: ...

    def __call__(self, tokens: Tokens) -> SparseVectors:
        """One row for each text of a batch that fits in memory; every text has at least one token."""
        ...


@dataclass(frozen=True, slots=True)
class Salience:
    """EPIC's two factors, each log(1 + softplus) or sigmoid of a linear layer; None leaves one out.

    importance: of a position, from its own hidden state; quality: of the text, from its first.
    Source: EPIC, https://arxiv.org/abs/2004.14245
    """

    importance: Linears | None = None
    quality: Linears | None = None

    def of_positions(self, hidden: Tensor) -> Tensor | None:
        """(texts, positions) from their hidden states."""
        if self.importance is None:
            return None
        return ACTIVATIONS["log1p-softplus"](self.importance(hidden).squeeze(-1))

    def of_texts(self, hidden: Tensor, pooled: Tensor) -> Tensor:
        return pooled if self.quality is None else pooled * torch.sigmoid(self.quality(hidden[:, 0]))


@dataclass(frozen=True, slots=True)
class TorchKernel:
    """A vocabulary head in torch: padded body, then the projection by vocabulary tiles."""

    model: LanguageModel
    activation: ActivationName = "log1p-relu"
    pooling: PoolingName = "max"
    threads: int | None = None
    positions: Positions = field(default_factory=Positions)
    salience: Salience | None = None

    @property
    def name(self) -> str:
        return "torch"

    @property
    def cost(self) -> BatchCost:
        return torch_cost(self.model, keeps_layers=self.salience is not None)

    def __call__(self, tokens: Tokens) -> SparseVectors:
        with torch.inference_mode(), torch_threads(self.threads):
            ids, mask = pad(tokens, self.model.device)
            pooled = self.positions.pooled(tokens.lengths, self.model.device)
            if self.salience is None:
                weights = self._pool(self.model.head_inputs(ids, mask), pooled, None)
            else:
                hidden, inputs = self.model.states(ids, mask)
                factor = self.salience.of_positions(pooled.gather(hidden))
                weights = self.salience.of_texts(hidden, self._pool(inputs, pooled, factor))
            return to_sparse(pooled.clear_empty(weights))

    def attribute(self, tokens: Tokens, terms: UInt32Array) -> IntArray:
        first, last = (int(edge[0]) for edge in self.positions.ranges(tokens.lengths))
        if first >= last:
            return np.full(len(terms), -1, np.int64)
        projection, chosen = (
            self.model.projection,
            torch.from_numpy(terms.astype(np.int64)).to(self.model.device),
        )
        with torch.inference_mode(), torch_threads(self.threads):
            hidden, inputs = self.model.states(*pad(tokens, self.model.device))
            logits = projection.finish(inputs[0, first:last] @ projection.weight[chosen].T, chosen)
            weights = ACTIVATIONS[self.activation](logits)
            factor = self.salience.of_positions(hidden[0, first:last]) if self.salience is not None else None
            weights = weights if factor is None else weights * factor[:, None]
            return first + weights.argmax(dim=0).cpu().numpy()

    def _pool(self, inputs: Tensor, pooled: Pooled, factor: Tensor | None) -> Tensor:
        activate = ACTIVATIONS[self.activation]
        chosen = pooled.gather(inputs)
        if self.pooling == "max":
            return max_pool(chosen, self.model.projection, activate, factor=factor)
        share = pooled.counted.to(chosen.dtype)
        return sum_pool(chosen, share if factor is None else share * factor, self.model.projection, activate)


def torch_cost(model: LanguageModel, *, keeps_layers: bool = False) -> BatchCost:
    """keeps_layers: whether the hidden states of all layers are held until the end."""
    config = model.config
    width = int(config.hidden_size)
    inner = int(getattr(config, "intermediate_size", 0) or 4 * width)
    layers = int(config.num_hidden_layers) + 1 if keeps_layers else 0
    bytes_per_value = model.projection.weight.element_size()
    # Live at once in a layer: its input, residual, queries, keys, values, context, and the wide inner state
    # before and after its activation. The head adds its input twice and one tile.
    per_token = ((10 + layers) * width + 2 * inner + TILE) * bytes_per_value
    # The pooled row, its mask, and the non-zeros on their way to CSR form.
    per_text = model.projection.weight.shape[0] * (bytes_per_value + 8)
    on_cpu = model.device.type == "cpu"
    return BatchCost(per_token, per_text, best_tokens=4096 if on_cpu else 65_536, fragments=on_cpu)


def pad(tokens: Tokens, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, int64, (texts, longest); padded ids are 0 and masked."""
    lengths = tokens.lengths
    real = np.arange(int(lengths.max())) < lengths[:, None]
    ids = np.zeros(real.shape, np.int64)
    ids[real] = tokens.ids
    return torch.from_numpy(ids).to(device), torch.from_numpy(real.astype(np.int64)).to(device)


def to_sparse(pooled: Tensor) -> SparseVectors:
    """Rows of weights, (texts, vocabulary), as float32 non-zeros. Raises ModelError on NaN or infinity."""
    if not bool(torch.isfinite(pooled).all()):
        raise ModelError(NOT_FINITE)
    found = pooled > 0
    rows, terms = (each.cpu().numpy() for each in found.nonzero(as_tuple=True))
    weights = pooled[found].float().cpu().numpy()
    indptr = np.zeros(len(pooled) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(pooled)), out=indptr[1:])
    return SparseVectors(indptr, terms.astype(np.uint32), weights, pooled.shape[1])
