"""Checks of what callers hand in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lsr.characters import check_characters, check_strings
from lsr.encoders.composition import NeuralParts, SideParts, TableParts, VocabularyHead
from lsr.errors import InvalidArgumentError, ModelNotFoundError, ModelUnsupportedError, ResourceError


def check_texts(texts: Sequence[str]) -> None:
    """Raises InvalidArgumentError for a bare string, an item that is none, and half a character."""
    check_strings(texts)
    for at, text in enumerate(texts):
        check_characters(text, f"texts[{at}]")


def check_device(device: str) -> None:
    """Raises InvalidArgumentError for a device that PyTorch does not know, ResourceError for one not there."""
    if device == "cpu":
        return
    import torch

    try:
        asked = torch.device(device)
    except RuntimeError:
        raise InvalidArgumentError(
            f"device {device!r} is none; write cpu, cuda or cuda:1", field="device"
        ) from None
    if asked.type == "cuda" and not torch.cuda.is_available():
        raise ResourceError(
            f"device {device}: PyTorch {torch.__version__} finds no CUDA GPU here. Run on the cpu, or install a"
            " PyTorch build for the GPU's driver (`nvidia-smi` shows whether there is one)."
        )
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        raise ResourceError(
            f"device {device}: there are {torch.cuda.device_count()} CUDA GPUs, numbered from 0."
        )


def check_length(length: int, longest: int, name: str) -> None:
    """longest: tokens the model has positions for, 0 for no limit."""
    if length < 1 or (longest and length > longest):
        upto = f"to {longest} for this model" if longest else "or more"
        raise InvalidArgumentError(f"{name} must be 1 {upto}, not {length}", field=name)


def check_table(parts: SideParts, folder: Path) -> None:
    """Raise ModelNotFoundError for a table that is not there, before a model is loaded for minutes."""
    if isinstance(parts, TableParts) and parts.table is not None:
        require_table(folder / parts.table)


def require_table(path: Path) -> None:
    if not path.is_file():
        raise ModelNotFoundError(
            f"{path}: no such table of query weights. Make one of your documents with"
            " `lsr idf`, or name another one with queries (`--queries idf.json`)."
        )


def check_first_position(parts: NeuralParts, folder: Path) -> None:
    """Raise ModelUnsupportedError for a head that would say the same of every text."""
    head, backbone = parts.head, parts.backbone
    reads_first = head.positions == "first" or (isinstance(head, VocabularyHead) and head.quality)
    if reads_first and backbone.kind == "causal-lm" and not backbone.bidirectional:
        raise ModelUnsupportedError(
            f"{folder / backbone.folder}: a causal language model's first position sees nothing of the text,"
            " and this method weighs by it, so it would say the same of every text. Use a masked language"
            " model."
        )
