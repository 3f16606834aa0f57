"""What an encoder is made of, as data: the contents of ``lsr.json`` and the ground of an encoder's identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from lsr.encoders.shaping import Shaping
from lsr.errors import ModelError, ModelNotFoundError

ActivationName = Literal["log1p-relu", "log1p-log1p-relu", "relu", "log1p-softplus", "shifted-log-sigmoid"]
PoolingName = Literal["max", "sum"]
OccurrencesName = Literal["max", "sum", "first"]
PositionsName = Literal["all", "inner", "first", "last", "second-copy"]
ModelKind = Literal["masked-lm", "causal-lm", "encoder"]
LeftOut = Literal["special", "stop"]
# How an encoder is run; not part of what it is made of, but for the precision.
Precision = Literal["float32", "bfloat16", "float16", "int8"]
KernelName = Literal["auto", "torch", "native", "triton"]
FILE_NAME = "lsr.json"
# Parts that came after the first encoders were saved, with what they are where nothing is said. Unsaid they are
# not written, so that the encoders of before keep their identity.
LATER_PARTS: Mapping[str, object] = MappingProxyType({"first": None, "tied": False, "left_out": None})

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, config=_STRICT)
class Reading:
    """How a text becomes token ids.

    length: tokens kept, prompt and special tokens included; None: 256, or what the model has positions for;
        0: no limit
    prompt: put before every text
    special_tokens: let the tokenizer add its own (for a decoder, its BOS if its settings say so)
    lowercase: lower the text's case first, for tokenizers that do not
    echo: write the text's tokens twice, so that a causal model sees all of the text at the second
    words: a file of words, one a line, relative to the encoder's folder: terms are whole words then, each
        represented by its first token, and words that are not listed have no term
    expansion: the field of a document's metadata that is read behind its text, if it is there
    first: id of the token that is read instead of the first special one, [CLS] in BERT; None leaves it
    """

    length: int | None = None
    prompt: str = ""
    special_tokens: bool = True
    lowercase: bool = False
    echo: bool = False
    words: str | None = None
    expansion: str | None = None
    first: int | None = None


@dataclass(frozen=True, config=_STRICT)
class Backbone:
    """The transformer of a side.

    folder: of the Hugging Face model, relative to the encoder's own
    kind: which of its heads belongs to it: a masked or a causal language model's, or none ("encoder")
    bidirectional: let a causal model's positions see those behind them
    adapter: folder of a LoRA adapter that is merged into the weights at load
    tied: compare a causal model's states with its input embeddings, whatever output layer it has of its own
    """

    folder: str = "."
    kind: ModelKind = "masked-lm"
    bidirectional: bool = False
    adapter: str | None = None
    tied: bool = False


@dataclass(frozen=True, config=_STRICT)
class VocabularyHead:
    """A weight for every term of the vocabulary at every position, then pooled: SPLADE and its relatives.

    A backbone of the kind "encoder" has no output layer: hidden states are compared with its input embeddings.

    positions: which are pooled; the first alone is the CLS-MLM head, the last alone suits causal models
    importance, quality: EPIC's factors, learned for each position and for the whole text
    literal_bonus: PROSPER's literal residual network
    common_bias: one learned number added to all logits (SPARTA)
    """

    kind: Literal["vocabulary"] = "vocabulary"
    activation: ActivationName = "log1p-relu"
    pooling: PoolingName = "max"
    positions: PositionsName = "all"
    importance: bool = False
    quality: bool = False
    literal_bonus: bool = False
    common_bias: bool = False


@dataclass(frozen=True, config=_STRICT)
class TokenHead:
    """A weight for each token of the text itself, from small linear layers: no expansion.

    occurrences: what becomes of a term that stands in the text more than once
    """

    kind: Literal["token"] = "token"
    activation: ActivationName = "relu"
    occurrences: OccurrencesName = "max"
    positions: PositionsName = "inner"


Head = Annotated[VocabularyHead | TokenHead, Discriminator("kind")]


@dataclass(frozen=True, config=_STRICT)
class NeuralParts:
    """A side that runs a transformer: reading, backbone, head, shaping.

    own_terms: drop what does not stand in the text (SPLADE-lexical)
    left_out: terms that never have weight: the tokenizer's "special" ones, or "stop" words, signs and special
        ones (lsr/encoders/left_out.py)
    """

    kind: Literal["neural"] = "neural"
    backbone: Backbone = Backbone()
    reading: Reading = Reading()
    head: Head = VocabularyHead()
    own_terms: bool = False
    left_out: LeftOut | None = None
    shaping: Shaping = Shaping()


@dataclass(frozen=True, config=_STRICT)
class TableParts:
    """A side without a model: each token of the text has its weight in a table.

    tokenizer: folder of the tokenizer
    table: a ``.json`` of {token: weight} or a ``.safetensors`` with ``weight``, shape (vocabulary,); None
        weighs every term 1. Both are relative to the encoder's folder. Empty: given apart from the model
    repeats: "once": a set, repeats add nothing; "counted": each occurrence adds the weight again
    left_out: as for a side with a model
    """

    kind: Literal["table"] = "table"
    tokenizer: str = "."
    table: str | None = None
    repeats: Literal["once", "counted"] = "once"
    reading: Reading = Reading(length=0, special_tokens=False)
    left_out: LeftOut | None = None
    shaping: Shaping = Shaping()


SideParts = Annotated[NeuralParts | TableParts, Discriminator("kind")]


@dataclass(frozen=True, config=_STRICT)
class Composition:
    """An encoder's two sides and what it is called."""

    document: SideParts
    query: SideParts
    name: str
    method: str = "custom"
    licence: str = "unknown"
    format: Literal[1] = 1


_ADAPTER = TypeAdapter(Composition)


def read_composition(folder: Path) -> Composition:
    """``lsr.json`` of a folder. Raises ModelError naming the file and every wrong or unknown key."""
    path = folder / FILE_NAME
    try:
        return _ADAPTER.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise ModelNotFoundError(f"{path}: no such file.") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'file'}: {each['msg']}" for each in error.errors()
        )
        raise ModelError(f"{path}: not an encoder this release can read: {wrong}.") from None


def to_json(composition: Composition) -> dict[str, Any]:
    return _without_later_parts(_ADAPTER.dump_python(composition, mode="json"))


def _without_later_parts(part: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_later_parts(value) if isinstance(value, dict) else value
        for key, value in part.items()
        if key not in LATER_PARTS or value != LATER_PARTS[key]
    }


def write_composition(composition: Composition, folder: Path) -> None:
    text = json.dumps(to_json(composition), indent=2, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")
