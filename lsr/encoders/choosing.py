"""Which code computes a head."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.encoders import native
from lsr.encoders.checkpoints import Checkpoint, read_checkpoint
from lsr.encoders.composition import Head, KernelName, NeuralParts, Precision, TokenHead, VocabularyHead
from lsr.encoders.files import BGE_M3_FILE, HEAD_FILE
from lsr.encoders.native import NativeKernel
from lsr.encoders.pooling import Positions
from lsr.encoders.tokens import Frame
from lsr.errors import ModelUnsupportedError

if TYPE_CHECKING:
    from lsr.encoders.backbones import LanguageModel
    from lsr.encoders.heads import HeadWeights
    from lsr.encoders.kernels import Kernel, TorchKernel
    from lsr.encoders.prosper import LiteralBonusKernel
    from lsr.encoders.token_kernel import TokenKernel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class HeadSource:
    """What a head's kernel is made of."""

    model: LanguageModel
    weights: HeadWeights
    frame: Frame
    vocabulary_size: int


def checkpoint_for(
    folder: Path, parts: NeuralParts, *, device: str, precision: Precision, wanted: KernelName
) -> Checkpoint | None:
    """The model as arrays, if the native code is going to compute it and it can be read without torch."""
    backbone, head = parts.backbone, parts.head
    if (
        device != "cpu"
        or precision != "float32"
        or wanted in ("torch", "triton")
        or backbone.kind != "masked-lm"
    ):
        return None
    if _why_not_native_head(head) is not None or not isinstance(head, VocabularyHead):
        return None
    if any((folder / backbone.folder / name).is_file() for name in (HEAD_FILE, BGE_M3_FILE)):
        return None
    checkpoint = read_checkpoint(folder / backbone.folder)
    if checkpoint is None:
        return None
    unable = native.why_not_native_config(checkpoint.config, head.activation, head.pooling)
    return checkpoint if unable is None else None


def kernel_for(head: Head, source: HeadSource, wanted: KernelName, threads: int | None) -> Kernel:
    """The code that computes a head: native on a CPU or fused on a GPU where they can and may, else torch.

    Raises ModelUnsupportedError if one is asked for by name and cannot compute this composition.
    """
    reasons = {"native": why_not_native(head, source.model), "triton": why_not_triton(head, source.model)}
    reason = reasons.get(wanted)
    if reason is not None:
        raise ModelUnsupportedError(f"kernel {wanted!r} does not compute {reason}; use 'auto' or 'torch'.")
    if wanted in ("auto", "native") and reasons["native"] is None:
        return NativeKernel(source.model, head.activation, threads)
    if wanted in ("auto", "triton") and reasons["triton"] is None:
        from lsr.encoders.fused import TritonKernel

        positions = Positions(head.positions, source.frame)
        return TritonKernel(source.model, head.activation, positions, threads)
    if wanted == "auto":
        logger.info(
            "torch encodes: %s", "; ".join(f"{name} does not compute {reasons[name]}" for name in reasons)
        )
    return torch_kernel_for(head, source, threads)


def why_not_triton(head: Head, model: LanguageModel) -> str | None:
    """What keeps the fused GPU kernel from computing this composition; None if nothing does."""
    if not isinstance(head, VocabularyHead):
        return f"the head {head.kind!r}"
    if head != VocabularyHead(activation=head.activation, positions=head.positions):
        return "sum pooling, biases or factors of a vocabulary head"
    if model.device.type != "cuda":
        return f"on the device {model.device.type}"
    if importlib.util.find_spec("triton") is None:
        return "without the package triton (pip install 'lsr[gpu]')"
    return None


def why_not_native(head: Head, model: LanguageModel) -> str | None:
    """What of this composition the native code cannot compute; None if it can."""
    reason = _why_not_native_head(head)
    if reason is not None or not isinstance(head, VocabularyHead):
        return reason
    if model.weight_bits != 32:
        return f"weights of {model.weight_bits} bits"
    return native.why_not_native(model, head.activation, head.pooling)


def _why_not_native_head(head: Head) -> str | None:
    if not isinstance(head, VocabularyHead):
        return f"the head {head.kind!r}"
    if head != VocabularyHead(activation=head.activation, pooling=head.pooling):
        return "special positions, biases or factors of a vocabulary head"
    return None


def torch_kernel_for(
    head: Head, source: HeadSource, threads: int | None
) -> TorchKernel | TokenKernel | LiteralBonusKernel:
    """The code in torch, which computes every head and attributes its weights."""
    from lsr.encoders.kernels import Salience, TorchKernel
    from lsr.encoders.prosper import LiteralBonusKernel
    from lsr.encoders.token_kernel import TokenKernel

    model, weights = source.model, source.weights
    positions = Positions(head.positions, source.frame)
    if isinstance(head, TokenHead):
        layers, size = weights.linears("token"), source.vocabulary_size
        return TokenKernel(model, layers, size, head.activation, head.occurrences, positions, threads)
    if head.common_bias:
        model = with_common_bias(model, weights)
    if head.literal_bonus:
        literal = Positions("inner", source.frame)
        return LiteralBonusKernel(model, weights.linears("bonus"), head.activation, positions, literal, threads)
    salience = None
    if head.importance or head.quality:
        salience = Salience(
            weights.linears("importance") if head.importance else None,
            weights.linears("quality") if head.quality else None,
        )
    return TorchKernel(model, head.activation, head.pooling, threads, positions, salience)


def with_common_bias(model: LanguageModel, weights: HeadWeights) -> LanguageModel:
    """One learned number added to every logit."""
    bias = weights.tensor("common_bias").reshape(1)
    projection = model.projection
    every = bias.expand(projection.weight.shape[0])
    return replace(
        model, projection=replace(projection, bias=every if projection.bias is None else projection.bias + bias)
    )
