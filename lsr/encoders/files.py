"""Which files of a Hugging Face folder decide what a model computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Where a head of our own is kept, and BGE-M3's per-token head.
HEAD_FILE = "head.safetensors"
BGE_M3_FILE = "sparse_linear.pt"
# Settings of a LoRA adapter, which stands on another folder's weights.
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# Where tokenizers keep their vocabularies; one of them must be there.
VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def model_files(folder: Path) -> tuple[Path, ...]:
    """The files of a Hugging Face folder that decide its output."""
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    return (*weights, folder / "config.json", *tokenizer_files(folder))


def holds_weights(folder: Path) -> bool:
    """Whether a folder holds a model's own weights, not an adapter's or a head's alone."""
    return any(True for pattern in ("model*.safetensors", "pytorch_model*.bin") for _ in folder.glob(pattern))


def tokenizer_files(folder: Path) -> tuple[Path, ...]:
    names = (*VOCABULARY_FILES, "merges.txt", "tokenizer_config.json")
    return tuple(folder / name for name in names if (folder / name).is_file())


def longest_input(config: Any) -> int:
    """Tokens the model has positions for; 0 if it sets no limit. RoBERTa's numbers start behind padding."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 0)
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl"):
        return positions - int(config.pad_token_id) - 1
    return positions
