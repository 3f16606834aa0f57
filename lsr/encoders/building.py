"""From a composition to an encoder: models loaded once, lengths settled, sides put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lsr.encoders.backbones import LanguageModel, Precision, load_masked_lm, load_tokenizer, tokenizer_files
from lsr.encoders.base import EncoderInfo
from lsr.encoders.checks import check_length
from lsr.encoders.composition import Composition, NeuralParts, SideParts, TableParts, to_json
from lsr.encoders.encoder import ComposedEncoder, Origin
from lsr.encoders.identity import identity_of
from lsr.encoders.kernels import Kernel
from lsr.encoders.native import fastest_kernel
from lsr.encoders.sides import NeuralSide, Side
from lsr.encoders.tables import TableSide, read_table
from lsr.encoders.tokens import TextTokenizer
from lsr.errors import ModelMismatchError
from lsr.vocabulary import Vocabulary

DEFAULT_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Options:
    """How an encoder runs; of these only the precision changes its vectors."""

    device: str = "cpu"
    threads: int | None = None
    memory: int | None = None
    precision: Precision = "float32"


@dataclass(frozen=True, slots=True)
class Built:
    """One side with what the encoder has to know of it."""

    side: Side
    parts: SideParts
    tokenizer: TextTokenizer
    terms: tuple[str, ...]
    files: tuple[Path, ...]


class Builder:
    """Builds the sides of one encoder; a model or kernel that both use is loaded once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._models: dict[Path, LanguageModel] = {}
        self._kernels: dict[tuple[Path, str, str], Kernel] = {}

    def encoder(self, origin: Origin) -> ComposedEncoder:
        """Raises ModelMismatchError if the two sides have different vocabularies."""
        composition = origin.composition
        documents = self._side(composition.document, origin.document_folder, "document_length", None)
        queries = self._side(composition.query, origin.query_folder, "query_length", documents.terms)
        if documents.terms != queries.terms:
            raise ModelMismatchError(
                f"{composition.name}: its query side ({len(queries.terms)} terms) and its document side"
                f" ({len(documents.terms)} terms) have different vocabularies, so their vectors share no terms."
            )
        settled = replace(composition, document=documents.parts, query=queries.parts)
        vocabulary = Vocabulary(documents.terms)
        return ComposedEncoder(
            vocabulary,
            documents.side,
            queries.side,
            info=self._info(settled, documents, queries, vocabulary),
            origin=replace(origin, composition=settled),
            plain_tokenizer=documents.tokenizer,
        )

    def _info(
        self, composition: Composition, documents: Built, queries: Built, vocabulary: Vocabulary
    ) -> EncoderInfo:
        decides = to_json(composition)
        for label in ("name", "licence"):
            del decides[label]
        decides["precision"] = self._options.precision
        return EncoderInfo(
            name=composition.name,
            identity=identity_of(decides, {"document": documents.files, "query": queries.files}),
            method=composition.method,
            document_length=documents.parts.reading.length or 0,
            query_length=queries.parts.reading.length or 0,
            licence=composition.licence,
            n_parameters=sum(model.n_parameters for model in self._models.values()),
            vocabulary_size=len(vocabulary),
            vocabulary_fingerprint=vocabulary.fingerprint,
            precision=self._options.precision,
            kernel=documents.side.kernel_name,
        )

    def _side(self, parts: SideParts, folder: Path, length_name: str, terms: tuple[str, ...] | None) -> Built:
        if isinstance(parts, TableParts):
            return self._table_side(parts, folder, terms)
        return self._neural_side(parts, folder, length_name)

    def _neural_side(self, parts: NeuralParts, folder: Path, length_name: str) -> Built:
        path = (folder / parts.backbone).resolve()
        model = self._model(path)
        length = parts.reading.length
        if length is None:
            length = min(DEFAULT_LENGTH, model.longest) if model.longest else DEFAULT_LENGTH
        check_length(length, model.longest, length_name)
        settled = replace(parts, reading=replace(parts.reading, length=length))
        side = NeuralSide(
            TextTokenizer(model.tokenizer, settled.reading),
            self._kernel(path, parts),
            len(model.terms),
            length=length,
            memory=self._options.memory,
            shaping=parts.shaping,
        )
        return Built(side, settled, TextTokenizer.plain(model.tokenizer), model.terms, model.files)

    def _table_side(self, parts: TableParts, folder: Path, terms: tuple[str, ...] | None) -> Built:
        """terms: of the other side; a tokenizer alone cannot tell how far a model pads its own."""
        tokenizer, own_terms = load_tokenizer(folder / parts.tokenizer, len(terms) if terms else None)
        table_path = folder / parts.table
        table = read_table(table_path, own_terms)
        settled = replace(parts, reading=replace(parts.reading, length=parts.reading.length or 0))
        side = TableSide(TextTokenizer(tokenizer, settled.reading), table, parts.shaping)
        files = (table_path, *tokenizer_files(folder / parts.tokenizer))
        return Built(side, settled, TextTokenizer.plain(tokenizer), own_terms, files)

    def _model(self, path: Path) -> LanguageModel:
        if path not in self._models:
            self._models[path] = load_masked_lm(
                path, device=self._options.device, precision=self._options.precision
            )
        return self._models[path]

    def _kernel(self, path: Path, parts: NeuralParts) -> Kernel:
        key = (path, parts.activation, parts.pooling)
        if key not in self._kernels:
            self._kernels[key] = fastest_kernel(
                self._models[path], parts.activation, parts.pooling, self._options.threads
            )
        return self._kernels[key]
