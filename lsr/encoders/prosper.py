"""PROSPER: last-token pooling, and a residual that lifts the text's own tokens.

W = w + I ⊙ (max(w') − w'), where w are the activated logits of the last position, w' a linear map of its
activated hidden state to the vocabulary, and I marks the input's own tokens. The bonus is never below 0: large
where the map neglects a literal token, small where it does not. The window (the k largest weights) and the
query's unit length are shaping. Source: METHODS of the PROSPER paper; no public code exists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lsr.encoders.activations import ACTIVATIONS
from lsr.encoders.backbones import LanguageModel, torch_threads
from lsr.encoders.batching import BatchCost
from lsr.encoders.composition import ActivationName
from lsr.encoders.heads import Linears
from lsr.encoders.kernels import pad, to_sparse, torch_cost
from lsr.encoders.pooling import Positions
from lsr.encoders.token_kernel import first_true
from lsr.encoders.tokens import IntArray, Tokens
from lsr.vectors import SparseVectors, UInt32Array


@dataclass(frozen=True, slots=True)
class LiteralBonusKernel:
    """A vocabulary head at one position with the literal residual network.

    literal: the positions whose tokens count as the input's own (special tokens do not)
    """

    model: LanguageModel
    bonus: Linears
    activation: ActivationName
    positions: Positions
    literal: Positions
    threads: int | None = None

    @property
    def name(self) -> str:
        return "torch"

    @property
    def cost(self) -> BatchCost:
        whole = torch_cost(self.model, keeps_layers=True)
        return replace(whole, bytes_per_text=3 * whole.bytes_per_text)

    def __call__(self, tokens: Tokens) -> SparseVectors:
        activate = ACTIVATIONS[self.activation]
        projection = self.model.projection
        with torch.inference_mode(), torch_threads(self.threads):
            ids, mask = pad(tokens, self.model.device)
            pooled = self.positions.pooled(tokens.lengths, self.model.device)
            hidden, inputs = self.model.states(ids, mask)
            at_inputs, at_hidden = (pooled.gather(states)[:, 0] for states in (inputs, hidden))
            weights = activate(projection.finish(at_inputs @ projection.weight.T, slice(None)))
            learned = self.bonus(activate(at_hidden.clone()))
            bonus = learned.amax(dim=1, keepdim=True) - learned
            return to_sparse(pooled.clear_empty(weights + self._own(tokens, ids) * bonus))

    def attribute(self, tokens: Tokens, terms: UInt32Array) -> IntArray:
        """Its own token for a term of the text, which the bonus lifts; the pooled position for any other."""
        literal = self.literal.marked(tokens.lengths)
        own = first_true((tokens.ids[None, :] == terms.astype(np.int64)[:, None]) & literal)
        _, last = self.positions.ranges(tokens.lengths)
        return np.where(own >= 0, own, last[0] - 1)

    def _own(self, tokens: Tokens, ids: Tensor) -> Tensor:
        """1 where a term is a token of the text, (texts, vocabulary)."""
        chosen = self.literal.pooled(tokens.lengths, self.model.device)
        own_ids = ids.gather(1, chosen.index)
        size = self.model.projection.weight.shape[0]
        own = torch.zeros(len(tokens), size + 1, dtype=self.model.dtype, device=self.model.device)
        own.scatter_(
            1, torch.where(chosen.counted, own_ids, size), 1.0
        )  # what does not count goes behind the end
        return own[:, :size]
