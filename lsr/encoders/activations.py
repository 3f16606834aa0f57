"""Activations: from a logit to a weight.

All are non-decreasing, so max pooling may come first and the activation is then computed once a term, not
once a position. They work in place where torch lets them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lsr.encoders.composition import ActivationName


def log1p_relu(logits: Tensor) -> Tensor:
    """log(1 + max(0, x)). Source: SPLADE, https://arxiv.org/abs/2107.05720"""
    return logits.relu_().log1p_()


def log1p_log1p_relu(logits: Tensor) -> Tensor:
    """log(1 + log(1 + max(0, x))), the "l0 approximation". Source: https://arxiv.org/abs/2504.14839"""
    return log1p_relu(logits).log1p_()


def relu(logits: Tensor) -> Tensor:
    """max(0, x): the scalar heads of uniCOIL, DeepImpact and TILDEv2."""
    return logits.relu_()


def log1p_softplus(logits: Tensor) -> Tensor:
    """log(1 + log(1 + e^x)): above 0 everywhere, so its vectors are dense before they are pruned.

    Source: EPIC, https://arxiv.org/abs/2004.14245
    """
    return torch.nn.functional.softplus(logits).log1p_()


# TILDE scores by log-probabilities, all below zero. Shifted up by this much, every probability of at least
# 1e-4 keeps its place in the order and the rest is 0; a query's sum shifts by a constant.
LOG_SIGMOID_SHIFT = 9.210340371976182


def shifted_log_sigmoid(logits: Tensor) -> Tensor:
    """max(0, log(sigmoid(x)) + log(10,000)). Source: TILDE, https://doi.org/10.1145/3404835.3462922"""
    return torch.nn.functional.logsigmoid(logits).add_(LOG_SIGMOID_SHIFT).relu_()


ACTIVATIONS: dict[ActivationName, Callable[[Tensor], Tensor]] = {
    "log1p-relu": log1p_relu,
    "log1p-log1p-relu": log1p_log1p_relu,
    "relu": relu,
    "log1p-softplus": log1p_softplus,
    "shifted-log-sigmoid": shifted_log_sigmoid,
}
