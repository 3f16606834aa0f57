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


ACTIVATIONS: dict[ActivationName, Callable[[Tensor], Tensor]] = {
    "log1p-relu": log1p_relu,
    "log1p-log1p-relu": log1p_log1p_relu,
    "relu": relu,
    "log1p-softplus": log1p_softplus,
}
