"""What an encoder is made of, as data: the contents of ``lsr.json`` and the ground of an encoder's identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from lsr.encoders.shaping import Shaping
from lsr.errors import ModelError, ModelNotFoundError

ActivationName = Literal["log1p-relu", "log1p-log1p-relu", "relu", "log1p-softplus"]
PoolingName = Literal["max", "sum"]
FILE_NAME = "lsr.json"

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, config=_STRICT)
class Reading:
    """How a text becomes token ids.

    length: tokens kept, prompt and special tokens included; None: 256, or what the model has positions for;
        0: no limit
    prompt: put before every text
    lowercase: lower the text's case first, for tokenizers that do not
    """

    length: int | None = None
    prompt: str = ""
    special_tokens: bool = True
    lowercase: bool = False


@dataclass(frozen=True, config=_STRICT)
class NeuralParts:
    """A side that runs a masked language model: backbone, head, activation, pooling, shaping.

    backbone: folder of the Hugging Face model, relative to the encoder's own
    """

    kind: Literal["neural"] = "neural"
    backbone: str = "."
    reading: Reading = Reading()
    activation: ActivationName = "log1p-relu"
    pooling: PoolingName = "max"
    shaping: Shaping = Shaping()


@dataclass(frozen=True, config=_STRICT)
class TableParts:
    """A side without a model: each distinct token of the text has its weight in a table.

    tokenizer: folder of the tokenizer; table: a ``.json`` of {token: weight} or a ``.safetensors`` with
        ``weight``, shape (vocabulary,). Both relative to the encoder's folder.
    """

    kind: Literal["table"] = "table"
    tokenizer: str = "."
    table: str = "idf.json"
    reading: Reading = Reading(length=0, special_tokens=False)
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
    as_json: dict[str, Any] = _ADAPTER.dump_python(composition, mode="json")
    return as_json


def write_composition(composition: Composition, folder: Path) -> None:
    text = json.dumps(to_json(composition), indent=2, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")
