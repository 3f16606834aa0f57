"""``save_encoder``: a folder for this package and, where it can express the encoder, sentence-transformers."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lsr.encoders.composition import (
    Backbone,
    Composition,
    NeuralParts,
    Reading,
    SideParts,
    TableParts,
    VocabularyHead,
    write_composition,
)
from lsr.encoders.encoder import ComposedEncoder, Origin
from lsr.encoders.files import BGE_M3_FILE, HEAD_FILE, model_files, tokenizer_files
from lsr.encoders.layouts import ACTIVATION_OF, MODULES, SETTINGS, read_json
from lsr.encoders.shaping import Shaping
from lsr.encoders.tables import table_file, table_of
from lsr.errors import InvalidArgumentError
from lsr.indexer.fields import QueryTable

_TYPES = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Router": "sentence_transformers.base.modules.router.Router",
    "SpladePooling": "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling",
    "SparseStaticEmbedding": (
        "sentence_transformers.sparse_encoder.modules.sparse_static_embedding.SparseStaticEmbedding"
    ),
}
_POOLING_FOLDER = "1_SpladePooling"
_BODY_SETTINGS = {
    "transformer_task": "fill-mask",
    "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
    "module_output_name": "token_embeddings",
}


def save_encoder(encoder: ComposedEncoder, folder: Path) -> None:
    """Write an encoder, its weights included, to a new folder.

    ``modules.json`` is written only if sentence-transformers would give the same vectors from it (one masked
    LM, max or sum pooling, or one for documents and a table for queries); ``lsr.json`` always.
    Raises InvalidArgumentError if the folder exists.
    """
    if folder.exists():
        raise InvalidArgumentError(f"{folder}: exists already; give a folder that does not.", field="folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / "model"
        unfinished.mkdir()
        composition = _write_sides(encoder, unfinished)
        write_composition(composition, unfinished)
        if is_exchangeable(composition):
            _write_layout(composition, unfinished)
        unfinished.rename(folder)


def is_exchangeable(composition: Composition) -> bool:
    """Whether the sentence-transformers layout can say all that this composition says."""
    document, query = composition.document, composition.query
    if not isinstance(document, NeuralParts) or not _fits(document) or not _fits(query):
        return False
    if document.shaping != query.shaping:  # one max_active_dims serves both sides there
        return False
    same = replace(query, reading=replace(query.reading, prompt=document.reading.prompt))
    return same == document or query.kind == "table" or query.backbone != document.backbone


def _fits(parts: SideParts) -> bool:
    plain = replace(parts.shaping, top=None) == Shaping() and not parts.reading.lowercase
    if isinstance(parts, TableParts):
        return (
            plain and not parts.reading.special_tokens and parts.repeats == "once" and not parts.reading.words
        )
    head = parts.head
    return (
        plain
        and isinstance(head, VocabularyHead)
        and head.activation in ACTIVATION_OF.values()
        and head == VocabularyHead(activation=head.activation, pooling=head.pooling)
        and parts.backbone == Backbone(parts.backbone.folder)
        and parts.reading.special_tokens
        and parts.reading.first is None
        and not parts.reading.echo
        and not parts.own_terms
        and parts.left_out is None
    )


def _write_sides(encoder: ComposedEncoder, folder: Path) -> Composition:
    """Copy the sides' files; the composition with their new places. A shared model is copied once."""
    origin = encoder.origin
    document, query = origin.composition.document, origin.composition.query
    if isinstance(document, NeuralParts) and isinstance(query, NeuralParts) and _share(encoder.origin):
        saved = _write_neural(document, origin.document_folder, folder, ".")
        return replace(origin.composition, document=saved, query=replace(query, backbone=saved.backbone))
    terms = encoder.vocabulary.terms
    return replace(
        origin.composition,
        document=_write_side(document, origin.document_folder, folder, "document", terms),
        query=_write_side(query, origin.query_folder, folder, "query", terms, given=origin.query_table),
    )


def _share(origin: Origin) -> bool:
    """Whether both sides run the same model."""
    document, query = origin.composition.document, origin.composition.query
    if not isinstance(document, NeuralParts) or not isinstance(query, NeuralParts):
        return False
    alike = replace(document.backbone, folder="") == replace(query.backbone, folder="")
    folders = (origin.document_folder / document.backbone.folder, origin.query_folder / query.backbone.folder)
    return alike and folders[0].resolve() == folders[1].resolve()


def _name(parts: SideParts, route: str) -> str:
    """The folder's name in sentence-transformers' routers."""
    return f"{route}_0_{'Transformer' if isinstance(parts, NeuralParts) else 'SparseStaticEmbedding'}"


def _write_side(
    parts: SideParts,
    source: Path,
    target: Path,
    route: str,
    terms: tuple[str, ...],
    *,
    given: QueryTable | None = None,
) -> SideParts:
    if isinstance(parts, NeuralParts):
        return _write_neural(parts, source, target, _name(parts, route))
    return _write_table(parts, source, target, _name(parts, route), terms, given=given)


def _write_neural(parts: NeuralParts, source: Path, target: Path, name: str) -> NeuralParts:
    place = target / name
    place.mkdir(exist_ok=True)
    model = source / parts.backbone.folder
    _copy(model_files(model), place)
    _copy(tuple(path for path in (model / HEAD_FILE, model / BGE_M3_FILE) if path.is_file()), place)
    _set_length(place, parts.reading.length)
    _write_json(place / "sentence_bert_config.json", _BODY_SETTINGS)
    adapter = parts.backbone.adapter
    if adapter is not None:
        (place / "adapter").mkdir()
        _copy(tuple((source / adapter).glob("adapter_*")), place / "adapter")
        adapter = str(Path(name) / "adapter")
    return replace(
        parts,
        backbone=replace(parts.backbone, folder=name, adapter=adapter),
        reading=_with_words(parts.reading, source, target),
    )


def _write_table(
    parts: TableParts,
    source: Path,
    target: Path,
    name: str,
    terms: tuple[str, ...],
    *,
    given: QueryTable | None,
) -> TableParts:
    from safetensors.numpy import save_file

    from lsr.encoders.backbones import load_tokenizer

    place = target / name
    place.mkdir()
    _copy(tokenizer_files(source / parts.tokenizer), place)
    _set_length(place, parts.reading.length)
    tokenizer, _ = load_tokenizer(source / parts.tokenizer, None)
    weights = table_of(parts, given if given is not None else table_file(parts, source), terms, tokenizer)
    save_file({"weight": weights}, place / "model.safetensors")
    _write_json(place / "config.json", {"frozen": True})
    return replace(
        parts,
        tokenizer=name,
        table=f"{name}/model.safetensors",
        reading=_with_words(parts.reading, source, target),
    )


def _with_words(reading: Reading, source: Path, target: Path) -> Reading:
    if reading.words is None:
        return reading
    shutil.copyfile(source / reading.words, target / "words.txt")
    return replace(reading, words="words.txt")


def _write_layout(composition: Composition, folder: Path) -> None:
    """modules.json and what it names besides the sides' own files."""
    document, query = composition.document, composition.query
    assert isinstance(document, NeuralParts)
    if isinstance(query, NeuralParts) and query.backbone == document.backbone:
        modules = [("", "Transformer"), (_POOLING_FOLDER, "SpladePooling")]
        _write_pooling(folder / _POOLING_FOLDER, document)
    else:
        modules = [("", "Router")]
        _write_router(folder, {"query": query, "document": document})
    listed = [
        {"idx": index, "name": str(index), "path": path, "type": _TYPES[kind]}
        for index, (path, kind) in enumerate(modules)
    ]
    _write_json(folder / MODULES, listed)
    settings = {
        "model_type": "SparseEncoder",
        "prompts": {"query": query.reading.prompt, "document": document.reading.prompt},
        "default_prompt_name": None,
        "similarity_fn_name": "dot",
        "max_active_dims": document.shaping.top,
    }
    _write_json(folder / SETTINGS, settings)


def _write_router(folder: Path, sides: Mapping[str, SideParts]) -> None:
    structure: dict[str, list[str]] = {}
    types: dict[str, str] = {}
    for route, parts in sides.items():
        structure[route] = [_name(parts, route)]
        types[_name(parts, route)] = _TYPES[_name(parts, route).split("_", 2)[2]]
        if isinstance(parts, NeuralParts):
            pooling = f"{route}_1_SpladePooling"
            structure[route].append(pooling)
            types[pooling] = _TYPES["SpladePooling"]
            _write_pooling(folder / pooling, parts)
    parameters = {"default_route": "document", "allow_empty_key": True, "route_mappings": {}}
    _write_json(
        folder / "router_config.json", {"types": types, "structure": structure, "parameters": parameters}
    )


def _write_pooling(place: Path, parts: NeuralParts) -> None:
    assert isinstance(parts.head, VocabularyHead)
    place.mkdir()
    names = {ours: theirs for theirs, ours in ACTIVATION_OF.items()}
    settings = {
        "pooling_strategy": parts.head.pooling,
        "activation_function": names[parts.head.activation],
        "embedding_dimension": None,
    }
    _write_json(place / "config.json", settings)


def _set_length(place: Path, length: int | None) -> None:
    """sentence-transformers takes the length from the tokenizer's settings."""
    path = place / "tokenizer_config.json"
    if path.is_file() and length:
        _write_json(path, {**read_json(path), "model_max_length": length})


def _copy(files: tuple[Path, ...], place: Path) -> None:
    for path in files:
        shutil.copyfile(path, place / path.name)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
