"""Weights for a text's own tokens from a small head: uniCOIL, DeepImpact, DeepCT, TILDEv2, BGE-M3 lexical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lsr.encoders.activations import ACTIVATIONS
from lsr.encoders.backbones import LanguageModel, torch_threads
from lsr.encoders.batching import BatchCost
from lsr.encoders.composition import ActivationName, OccurrencesName
from lsr.encoders.heads import Linears
from lsr.encoders.kernels import NOT_FINITE, pad, torch_cost
from lsr.encoders.pooling import Positions
from lsr.encoders.repeats import weights_by_term
from lsr.encoders.tokens import IntArray, Tokens
from lsr.errors import ModelError
from lsr.vectors import SparseVectors, UInt32Array


@dataclass(frozen=True, slots=True)
class TokenKernel:
    """weight = activation(head(hidden state)) for each pooled position, then one weight a term."""

    model: LanguageModel
    head: Linears
    vocabulary_size: int
    activation: ActivationName
    occurrences: OccurrencesName
    positions: Positions
    threads: int | None = None

    @property
    def name(self) -> str:
        return "torch"

    @property
    def cost(self) -> BatchCost:
        return torch_cost(self.model, keeps_layers=not self.model.headless)

    def __call__(self, tokens: Tokens) -> SparseVectors:
        weights = self._scores(tokens)
        if not np.all(np.isfinite(weights)):
            raise ModelError(NOT_FINITE)
        terms = tokens.terms if tokens.terms is not None else tokens.ids
        chosen = self.positions.marked(tokens.lengths) & (terms >= 0) & (weights > 0)
        return weights_by_term(
            tokens.row_of[chosen],
            terms[chosen],
            weights[chosen],
            n_rows=len(tokens),
            vocabulary_size=self.vocabulary_size,
            occurrences=self.occurrences,
        )

    def attribute(self, tokens: Tokens, terms: UInt32Array) -> IntArray:
        scores = np.where(self.positions.marked(tokens.lengths), self._scores(tokens), -np.inf)
        own = tokens.terms if tokens.terms is not None else tokens.ids
        found = np.where(own[None, :] == terms.astype(np.int64)[:, None], scores[None, :], -np.inf)
        if self.occurrences == "first":
            return first_true(found > -np.inf)
        return np.where(found.max(axis=1, initial=-np.inf) > -np.inf, found.argmax(axis=1), -1)

    def _scores(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """The activated score of each token, shape (total,)."""
        with torch.inference_mode(), torch_threads(self.threads):
            ids, mask = pad(tokens, self.model.device)
            hidden, _ = self.model.states(ids, mask)
            scores = ACTIVATIONS[self.activation](self.head(hidden).squeeze(-1))
            weights: npt.NDArray[np.float32] = scores[mask.bool()].float().cpu().numpy()
        return weights


def first_true(found: npt.NDArray[np.bool_]) -> IntArray:
    """The first True of each row, −1 for a row without one."""
    return np.where(found.any(axis=1), found.argmax(axis=1), -1).astype(np.int64)
