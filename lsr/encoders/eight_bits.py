"""Linear layers whose weights are stored in 8 bits: a quarter of float32's memory, at some loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EightBitLinear(nn.Module):
    """y = x · (scale ⊙ codes)ᵀ + bias: one scale an output row, codes −127 to 127, nearest.

    The layer's float weight exists only while it is used, one layer at a time.
    """

    codes: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.abs().amax(dim=1).clamp_(min=torch.finfo(weight.dtype).tiny) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("codes", torch.round(weight / scale[:, None]).to(torch.int8))
        self.register_buffer("bias", linear.bias.detach() if linear.bias is not None else None)

    def forward(self, inputs: Tensor) -> Tensor:
        product = torch.nn.functional.linear(inputs, self.codes.to(inputs.dtype)) * self.scale
        return product if self.bias is None else product + self.bias


def store_in_8_bits(model: nn.Module, keep: nn.Module) -> None:
    """Replace every linear layer of ``model`` but ``keep``, its output layer, which decides the weights."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child is not keep:
                setattr(parent, name, EightBitLinear(child))
