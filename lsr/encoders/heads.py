"""Small heads on top of a transformer's hidden states, and where checkpoints keep their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lsr.encoders.files import BGE_M3_FILE, HEAD_FILE
from lsr.errors import ModelUnsupportedError

# Where uniCOIL and TILDEv2 checkpoints keep a per-token scalar head: a layer of the model's own file.
TOKEN_PROJECTION = "tok_proj."  # noqa: S105 - a layer's name


@dataclass(frozen=True, slots=True, eq=False)
class Linears:
    """Linear layers with ReLU between them: ``(weight, bias)`` pairs, weights (out, in)."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, hidden: Tensor) -> Tensor:
        for number, (weight, bias) in enumerate(self.layers):
            hidden = torch.nn.functional.linear(hidden.relu() if number else hidden, weight, bias)
        return hidden

    @property
    def n_parameters(self) -> int:
        return sum(weight.numel() + bias.numel() for weight, bias in self.layers)


@dataclass(frozen=True, slots=True, eq=False)
class HeadWeights:
    """Named tensors of a folder's extra head, moved to where the model computes."""

    folder: Path
    tensors: Mapping[str, Tensor]
    files: tuple[Path, ...]

    def tensor(self, name: str) -> Tensor:
        """Raises ModelUnsupportedError if it is not there."""
        if name not in self.tensors:
            raise self._missing(name)
        return self.tensors[name]

    def linears(self, name: str) -> Linears:
        """``name.0.weight``, ``name.0.bias``, ``name.1.weight``, ... or, for one layer, ``name.weight``.

        Raises ModelUnsupportedError if they are not there.
        """
        layers = []
        names = [name] if f"{name}.weight" in self.tensors else [f"{name}.{at}" for at in range(16)]
        for each in names:
            if f"{each}.weight" not in self.tensors:
                break
            weight = self.tensors[f"{each}.weight"]
            layers.append((weight, self.tensors.get(f"{each}.bias", weight.new_zeros(weight.shape[0]))))
        if not layers:
            raise self._missing(f"{name}.weight")
        return Linears(tuple(layers))

    def _missing(self, name: str) -> ModelUnsupportedError:
        return ModelUnsupportedError(
            f"{self.folder}: the method needs the weights {name}, and neither {HEAD_FILE}, {BGE_M3_FILE} nor a"
            f" layer {TOKEN_PROJECTION[:-1]} of the checkpoint holds them. Random ones would give meaningless"
            " vectors."
        )


def read_head(folder: Path, device: torch.device, dtype: torch.dtype) -> HeadWeights:
    """What ``head.safetensors`` holds; else, as ``token``, a head that checkpoints keep elsewhere."""
    from safetensors.torch import load_file

    path = folder / HEAD_FILE
    files: tuple[Path, ...] = ()
    if path.is_file():
        found, files = load_file(path), (path,)
    elif (folder / BGE_M3_FILE).is_file():
        stored = torch.load(folder / BGE_M3_FILE, map_location="cpu", weights_only=True)
        found = {f"token.{name}": tensor for name, tensor in stored.items()}
        files = (folder / BGE_M3_FILE,)
    else:
        found = _token_projection(folder)
    return HeadWeights(
        folder, {name: tensor.to(device=device, dtype=dtype) for name, tensor in found.items()}, files
    )


def _token_projection(folder: Path) -> dict[str, Tensor]:
    """The layer in the model's own files: safetensors, or the older form that the methods were published in."""
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            names = [name for name in tensors.keys() if name.startswith(TOKEN_PROJECTION)]  # noqa: SIM118
            found |= {name: tensors.get_tensor(name) for name in names}
    for path in sorted(folder.glob("pytorch_model*.bin")) if not found else []:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        found |= {name: stored[name] for name in stored if name.startswith(TOKEN_PROJECTION)}
    return {"token." + name.removeprefix(TOKEN_PROJECTION): tensor for name, tensor in found.items()}
