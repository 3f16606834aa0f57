"""The seam between texts and arithmetic: a kernel turns token ids into vectors, by whichever code is fastest.

``TorchKernel`` is the plain one and the oracle. Another implementation of ``Kernel`` may take its place for the
compositions it can compute, if its vectors agree within 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lsr.encoders.activations import ACTIVATIONS
from lsr.encoders.backbones import LanguageModel, torch_threads
from lsr.encoders.batching import BatchCost
from lsr.encoders.composition import ActivationName, PoolingName
from lsr.encoders.tiled import TILE, max_pool, sum_pool
from lsr.encoders.tokens import Tokens
from lsr.errors import ModelError
from lsr.vectors import SparseVectors


class Kernel(Protocol):
    """Computes backbone, head, activation and pooling; what follows is shaping and not its business.

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
class TorchKernel:
    """The composition in torch: padded body, then the head by vocabulary tiles."""

    model: LanguageModel
    activation: ActivationName = "log1p-relu"
    pooling: PoolingName = "max"
    threads: int | None = None

    @property
    def name(self) -> str:
        return "torch"

    @property
    def cost(self) -> BatchCost:
        config = self.model.config
        width = int(config.hidden_size)
        inner = int(getattr(config, "intermediate_size", 0) or 4 * width)
        bytes_per_value = self.model.projection.weight.element_size()
        # Live at once in a layer: its input, residual, queries, keys, values, context, and the wide inner state
        # before and after its activation. The head adds its input twice and one tile.
        per_token = (10 * width + 2 * inner + TILE) * bytes_per_value
        # The pooled row, its mask, and the non-zeros on their way to CSR form.
        per_text = len(self.model.terms) * (bytes_per_value + 8)
        return BatchCost(per_token, per_text, best_tokens=4096)

    def __call__(self, tokens: Tokens) -> SparseVectors:
        with torch.inference_mode(), torch_threads(self.threads):
            ids, mask = pad(tokens, self.model.device)
            hidden = self.model.head_inputs(ids, mask)
            return to_sparse(self._pooled(hidden, mask))

    def _pooled(self, hidden: Tensor, mask: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.activation]
        if self.pooling == "sum":
            return sum_pool(hidden, mask.to(hidden.dtype), self.model.projection, activate)
        return max_pool(repeat_last(hidden, mask), self.model.projection, activate)


def pad(tokens: Tokens, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, int64, (texts, longest); padded ids are 0 and masked."""
    lengths = tokens.lengths
    real = np.arange(int(lengths.max())) < lengths[:, None]
    ids = np.zeros(real.shape, np.int64)
    ids[real] = tokens.ids
    return torch.from_numpy(ids).to(device), torch.from_numpy(real.astype(np.int64)).to(device)


def repeat_last(hidden: Tensor, mask: Tensor) -> Tensor:
    """Every padded position replaced by its text's last token: a maximum does not see repeats."""
    lengths = mask.sum(dim=1)
    if bool((lengths == mask.shape[1]).all()):
        return hidden
    positions = torch.minimum(torch.arange(mask.shape[1], device=mask.device), lengths[:, None] - 1)
    return hidden.gather(1, positions.unsqueeze(-1).expand_as(hidden))


def to_sparse(pooled: Tensor) -> SparseVectors:
    """Rows of weights, (texts, vocabulary), as float32 non-zeros. Raises ModelError on NaN or infinity."""
    weights = pooled.float().cpu().numpy()
    if not np.isfinite(weights.sum(dtype=np.float64)):
        raise ModelError(
            "the model gives weights that are not finite numbers. With float16 an overflow is likely:"
            " use bfloat16 or float32; otherwise its files are damaged."
        )
    rows, terms = np.nonzero(weights > 0)
    indptr = np.zeros(len(weights) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(weights)), out=indptr[1:])
    return SparseVectors(indptr, terms.astype(np.uint32), weights[rows, terms], weights.shape[1])
