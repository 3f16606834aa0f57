"""Folders of the sentence-transformers kind, read and written.

``modules.json`` lists modules with the Python paths of their classes. Only the last name of a path counts here:
the packages moved between releases (``sparse_encoder.models`` became ``sparse_encoder.modules``), the classes
did not. No class named in a folder is ever imported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsr.data.fields import kind_of
from lsr.encoders.composition import (
    ActivationName,
    Backbone,
    Composition,
    NeuralParts,
    Reading,
    SideParts,
    TableParts,
    VocabularyHead,
)
from lsr.encoders.shaping import Shaping
from lsr.errors import ModelError, ModelUnsupportedError

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
BODY_NAMES = ("Transformer", "MLMTransformer")
TABLE_NAMES = ("SparseStaticEmbedding", "IDF")
ROUTER_NAMES = ("Router", "Asym")
ACTIVATION_OF: dict[str, ActivationName] = {"relu": "log1p-relu", "log1p_relu": "log1p-log1p-relu"}
_FETCH = "Fetch the model's folder again, or restore this file."
# model_max_length of a tokenizer that was never given one is 1e30.
NO_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of modules.json or of a router: the class's last name and the folder, relative to the root."""

    name: str
    path: str


def read_layout(folder: Path) -> Composition:
    """The composition that a sentence-transformers SparseEncoder folder describes.

    Raises ModelUnsupportedError if it holds a module that gives other vectors than those made here.
    """
    modules = _modules(folder / MODULES)
    settings = read_object(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    prompts = settings.get("prompts") or {}
    shaping = Shaping(top=settings.get("max_active_dims"))
    routes = _routes(folder, modules)
    query_prompt = prompts.get("query") or ""
    document_prompt = next((prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)), "")
    document = _side(folder, routes["document"], document_prompt, shaping)
    query = _side(folder, routes["query"], query_prompt, shaping)
    return Composition(document, query, folder.name, _method(document, query), licence_of(folder))


def _modules(path: Path) -> list[Module]:
    entries = read_json(path)
    try:
        return [Module(_last_name(each["type"]), str(each["path"])) for each in entries]
    except (TypeError, KeyError, AttributeError):
        raise ModelError(f"{path}: must be a list of modules, each with its type and path. {_FETCH}") from None


def _routes(folder: Path, modules: list[Module]) -> dict[str, list[Module]]:
    """The modules of each side."""
    if not modules or modules[0].name not in ROUTER_NAMES:
        return {"document": modules, "query": modules}
    if len(modules) > 1:
        raise ModelUnsupportedError(
            f"{folder}: modules behind a router ({modules[1].name}) are not known here."
        )
    base = Path(modules[0].path)
    router = read_object(folder / base / "router_config.json")
    types, structure = router["types"], router["structure"]
    routes = {
        route: [Module(_last_name(types[name]), str(base / name)) for name in names]
        for route, names in structure.items()
    }
    if "document" not in routes or "query" not in routes:
        raise ModelUnsupportedError(
            f"{folder}: its router has the routes {sorted(routes)}; a search needs 'query' and 'document'."
        )
    return routes


def _side(folder: Path, modules: list[Module], prompt: str, shaping: Shaping) -> SideParts:
    names = [module.name for module in modules]
    if len(names) == 1 and names[0] in TABLE_NAMES:
        return _table_side(folder, modules[0], prompt, shaping)
    if len(names) != 2 or names[0] not in BODY_NAMES or names[1] != "SpladePooling":
        raise ModelUnsupportedError(
            f"{folder}: modules {names}; known are a masked LM followed by SpladePooling, and"
            " SparseStaticEmbedding. A dense model's folder holds Pooling instead: it has no sparse vectors."
        )
    body, pooling = folder / modules[0].path, read_object(folder / modules[1].path / "config.json")
    body_settings = read_object(body / "sentence_bert_config.json")
    _check_task(body, names[0], body_settings)
    activation = ACTIVATION_OF.get(pooling.get("activation_function", "relu"))
    if activation is None or pooling["pooling_strategy"] not in ("max", "sum"):
        raise ModelUnsupportedError(f"{folder / modules[1].path}: an unknown pooling, {pooling}.")
    return NeuralParts(
        backbone=Backbone(modules[0].path or "."),
        reading=Reading(
            length=_length(body, body_settings),
            prompt=prompt,
            lowercase=bool(body_settings.get("do_lower_case", False)),
        ),
        head=VocabularyHead(activation=activation, pooling=pooling["pooling_strategy"]),
        shaping=shaping,
    )


def _table_side(folder: Path, module: Module, prompt: str, shaping: Shaping) -> TableParts:
    config = read_object(folder / module.path / "config.json")
    table = config.get("path") or str(Path(module.path) / "model.safetensors")
    length = _length(folder / module.path, {})
    return TableParts(
        tokenizer=module.path,
        table=table,
        reading=Reading(length=length or 0, prompt=prompt, special_tokens=False),
        shaping=shaping,
    )


def _check_task(body: Path, name: str, settings: dict[str, Any]) -> None:
    """A Transformer module has a vocabulary head only when it says so; the old MLMTransformer always has."""
    task = settings.get("transformer_task", "fill-mask" if name == "MLMTransformer" else "feature-extraction")
    if task != "fill-mask":
        raise ModelUnsupportedError(
            f"{body}: made for the task {task!r}, so it has no masked-LM head to take term weights from."
        )


def _length(body: Path, settings: dict[str, Any]) -> int | None:
    """sentence-transformers' rule: max_seq_length if given, else the tokenizer's model_max_length."""
    length = settings.get("max_seq_length")
    if length is None:
        length = read_object(body / "tokenizer_config.json").get("model_max_length")
    return int(length) if length is not None and length < NO_LIMIT else None


def _method(document: SideParts, query: SideParts) -> str:
    if isinstance(query, TableParts):
        return "inference-free"
    if isinstance(document, NeuralParts) and document.head == query.head == VocabularyHead():
        return "splade-max"
    if isinstance(document, NeuralParts) and document.head == query.head == VocabularyHead(pooling="sum"):
        return "splade"
    return "custom"


def licence_of(folder: Path) -> str:
    """The ``license`` of a model card's front matter; "unknown" without one."""
    card = folder / "README.md"
    if card.is_file():
        head = card.read_text(encoding="utf-8", errors="replace").split("---", 2)
        for line in head[1].splitlines() if len(head) == 3 and not head[0].strip() else []:
            key, _, value = line.partition(":")
            if key == "license" and value.strip():
                return value.strip()
    return "unknown"


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: this file belongs to the model's folder and is not there.") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not valid JSON: {error}. {_FETCH}") from None


def read_object(path: Path) -> dict[str, Any]:
    """A file of settings by name. Raises ModelError for one that is missing, no JSON or something else."""
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise ModelError(f"{path}: holds {kind_of(settings)}, not an object of settings. {_FETCH}")
    return settings


def _last_name(dotted: str) -> str:
    return dotted.rsplit(".", 1)[-1]
