"""A BERT checkpoint as plain arrays, for the native encoder.

Importing torch and transformers takes seconds and hundreds of megabytes, and a question asked on the command
line needs neither: the native encoder computes from arrays. So a checkpoint of the commonest kind is read
directly. ``read_checkpoint`` returns None at anything it does not know for certain, and the model is then
loaded through transformers, whose rules cover everything; a test holds that both ways give the same encoder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsr.encoders.files import longest_input, model_files

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FloatArray = npt.NDArray[np.float32]

WEIGHTS = "model.safetensors"
# What a checkpoint must say of itself, and what BERT's configuration means by silence.
STATED = (
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
)
UNSTATED = {
    "layer_norm_eps": 1e-12,
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
    "tie_word_embeddings": True,
    "pad_token_id": 0,
}
TOKENIZERS = ("BertTokenizer", "BertTokenizerFast")
OUTPUT_BIASES = ("cls.predictions.bias", "cls.predictions.decoder.bias")
OUTPUT_WEIGHT = "cls.predictions.decoder.weight"
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
# The original release called a layer norm's weight gamma and its bias beta.
OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What ``lsr.encoders.native.NativeKernel`` and a side need of a model.

    state: the body's parameters by their transformers names
    """

    config: Any
    state: Mapping[str, FloatArray]
    bias: FloatArray
    tokenizer: Tokenizer
    terms: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def longest(self) -> int:
        return longest_input(self.config)

    @property
    def n_parameters(self) -> int:
        return sum(each.size for each in self.state.values()) + self.bias.size

    def body_arrays(self) -> Mapping[str, FloatArray]:
        return self.state

    def head_arrays(self) -> tuple[FloatArray, FloatArray | None]:
        return self.state[EMBEDDINGS], self.bias


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The BERT masked language model in a folder; None if it has to be loaded through transformers."""
    config = _read_config(folder)
    tokenizer = _read_tokenizer(folder) if config is not None else None
    tensors = _read_tensors(folder) if tokenizer is not None else None
    if tokenizer is None or tensors is None:
        return None
    state = _body_of(tensors, config)
    bias = _output_bias(tensors) if state is not None else None
    known = {index: token for token, index in tokenizer.get_vocab(with_added_tokens=True).items()}
    terms = tuple(known.get(index, f"<id {index}>") for index in range(config.vocab_size))
    if state is None or bias is None or not len(state[EMBEDDINGS]) == len(bias) == len(terms):
        return None
    return Checkpoint(config, state, bias, tokenizer, terms, model_files(folder))


def _read_config(folder: Path) -> Any:
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(settings, dict) or settings.get("model_type") != "bert":
        return None
    settings = {**UNSTATED, **settings}
    sizes = [settings.get(name) for name in STATED]
    known = (
        all(type(size) is int and size > 0 for size in sizes)
        and isinstance(settings.get("hidden_act"), str)
        and isinstance(settings["layer_norm_eps"], float | int)
        and type(settings["pad_token_id"]) is int
    )
    return SimpleNamespace(**settings) if known and settings["tie_word_embeddings"] else None


def _read_tokenizer(folder: Path) -> Tokenizer | None:
    """The folder's tokenizer.json, if its other file asks for nothing else."""
    from tokenizers import Tokenizer

    try:
        written = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        asked = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        agrees = _agree(written, asked)
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return Tokenizer.from_file(str(folder / "tokenizer.json")) if agrees else None


def _agree(written: Any, asked: Any) -> bool:
    """Raises KeyError, TypeError or AttributeError for what no tokenizer's files hold."""
    normalizer = written.get("normalizer") or {}
    added = {token["content"] for token in written.get("added_tokens", ())}
    return (
        asked.get("tokenizer_class") in TOKENIZERS
        and written["model"].get("type") == "WordPiece"
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("lowercase") == asked.get("do_lower_case", True)
        and normalizer.get("strip_accents") == asked.get("strip_accents")
        and normalizer.get("handle_chinese_chars") == asked.get("tokenize_chinese_chars", True)
        and all(token["content"] in added for token in asked.get("added_tokens_decoder", {}).values())
        and not asked.get("additional_special_tokens")
    )


def _read_tensors(folder: Path) -> dict[str, FloatArray] | None:
    """All tensors of a single float32 file, by the names transformers gives them."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / WEIGHTS
    if not path.is_file() or len(list(folder.glob("*.safetensors"))) > 1:
        return None
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError):  # KeyError: a type numpy has not, such as bfloat16
        return None
    if any(tensor.dtype != np.float32 for tensor in tensors.values()):
        return None
    return {_renamed(name): tensor for name, tensor in tensors.items()}


def _renamed(name: str) -> str:
    for old, new in OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _body_of(tensors: Mapping[str, FloatArray], config: Any) -> dict[str, FloatArray] | None:
    """The parameters of the body and of the head's transform; None if one is missing."""
    linears = ["cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"]
    for layer in range(config.num_hidden_layers):
        prefix = f"bert.encoder.layer.{layer}."
        linears += [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
        linears += [f"{prefix}attention.output.{part}" for part in ("dense", "LayerNorm")]
        linears += [f"{prefix}intermediate.dense", f"{prefix}output.dense", f"{prefix}output.LayerNorm"]
    names = [EMBEDDINGS, "bert.embeddings.position_embeddings.weight"]
    names += ["bert.embeddings.token_type_embeddings.weight"]
    names += ["bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.bias"]
    names += [f"{linear}.{part}" for linear in linears for part in ("weight", "bias")]
    if any(name not in tensors for name in names):
        return None
    return {name: np.ascontiguousarray(tensors[name]) for name in names}


def _output_bias(tensors: Mapping[str, FloatArray]) -> FloatArray | None:
    """The bias of the logits; None if there is none, or if the output layer is not tied to the embeddings."""
    biases = [tensors[name] for name in OUTPUT_BIASES if name in tensors]
    if not biases or any(not np.array_equal(biases[0], each) for each in biases):
        return None
    untied = OUTPUT_WEIGHT in tensors and not np.array_equal(tensors[OUTPUT_WEIGHT], tensors[EMBEDDINGS])
    return None if untied else biases[0]
