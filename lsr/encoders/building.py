"""From a composition to an encoder: models loaded once, lengths settled, sides put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from lsr.encoders.backbones import (
    LanguageModel,
    Precision,
    load_causal_lm,
    load_headless,
    load_masked_lm,
    load_tokenizer,
    tokenizer_files,
)
from lsr.encoders.base import EncoderInfo
from lsr.encoders.checks import check_length
from lsr.encoders.choosing import HeadSource, KernelName, kernel_for, torch_kernel_for
from lsr.encoders.composition import (
    Backbone,
    Composition,
    Head,
    NeuralParts,
    Reading,
    SideParts,
    TableParts,
    to_json,
)
from lsr.encoders.encoder import ComposedEncoder, Origin
from lsr.encoders.heads import read_head
from lsr.encoders.identity import identity_of
from lsr.encoders.kernels import Kernel
from lsr.encoders.sides import NeuralSide, Side
from lsr.encoders.tables import TableSide, read_table
from lsr.encoders.tokens import Frame, TextTokenizer
from lsr.errors import ModelError, ModelMismatchError
from lsr.vocabulary import Vocabulary

DEFAULT_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Options:
    """How an encoder runs; of these only the precision changes its vectors."""

    device: str = "cpu"
    threads: int | None = None
    memory: int | None = None
    precision: Precision = "float32"
    kernel: KernelName = "auto"


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
        self._models: dict[tuple[Path, Backbone], LanguageModel] = {}
        self._kernels: dict[tuple[int, Head, Frame], Kernel] = {}

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
            expansion_field=documents.parts.reading.expansion or "",
        )

    def _side(self, parts: SideParts, folder: Path, length_name: str, terms: tuple[str, ...] | None) -> Built:
        if isinstance(parts, TableParts):
            return self._table_side(parts, folder, terms)
        return self._neural_side(parts, folder, length_name)

    def _neural_side(self, parts: NeuralParts, folder: Path, length_name: str) -> Built:
        model = self._model(folder, parts.backbone)
        length = parts.reading.length
        if length is None:
            length = min(DEFAULT_LENGTH, model.longest) if model.longest else DEFAULT_LENGTH
        check_length(length, model.longest, length_name)
        settled = replace(parts, reading=replace(parts.reading, length=length))
        words = read_words(folder, parts.reading)
        tokenizer = TextTokenizer(model.tokenizer, settled.reading, index_of(words))
        terms = words or model.terms
        head = read_head(folder / parts.backbone.folder, model.device, model.dtype)
        source = HeadSource(model, head, tokenizer.frame, len(terms))
        side = NeuralSide(
            tokenizer,
            self._kernel(parts.head, source),
            torch_kernel_for(parts.head, source, self._options.threads),
            vocabulary_size=len(terms),
            length=length,
            memory=self._memory(model.device),
            own_terms=parts.own_terms,
            shaping=parts.shaping,
        )
        files = (*model.files, *head.files, *words_files(folder, parts.reading))
        return Built(side, settled, TextTokenizer.plain(model.tokenizer), terms, files)

    def _table_side(self, parts: TableParts, folder: Path, terms: tuple[str, ...] | None) -> Built:
        """terms: of the other side; a tokenizer alone cannot tell how far a model pads its own."""
        words = read_words(folder, parts.reading)
        tokenizer, tokens = load_tokenizer(
            folder / parts.tokenizer, len(terms) if terms and not words else None
        )
        own_terms = words or tokens
        files = (*tokenizer_files(folder / parts.tokenizer), *words_files(folder, parts.reading))
        table = np.ones(len(own_terms), np.float32)
        if parts.table is not None:
            table = read_table(folder / parts.table, own_terms)
            files = (*files, folder / parts.table)
        settled = replace(parts, reading=replace(parts.reading, length=parts.reading.length or 0))
        side = TableSide(
            TextTokenizer(tokenizer, settled.reading, index_of(words)),
            table,
            repeats_count=parts.repeats == "counted",
            shaping=parts.shaping,
        )
        return Built(side, settled, TextTokenizer.plain(tokenizer), own_terms, files)

    def _model(self, folder: Path, backbone: Backbone) -> LanguageModel:
        key = ((folder / backbone.folder).resolve(), backbone)
        if key not in self._models:
            device, precision = self._options.device, self._options.precision
            if backbone.kind == "masked-lm":
                self._models[key] = load_masked_lm(key[0], device=device, precision=precision)
            elif backbone.kind == "encoder":
                self._models[key] = load_headless(key[0], device=device, precision=precision)
            else:
                adapter = (folder / backbone.adapter).resolve() if backbone.adapter is not None else None
                self._models[key] = load_causal_lm(
                    key[0],
                    device=device,
                    precision=precision,
                    bidirectional=backbone.bidirectional,
                    adapter=adapter,
                )
        return self._models[key]

    def _memory(self, device: torch.device) -> int | None:
        """The limit given; on a GPU else half of its free memory. None leaves it to what the machine has."""
        if self._options.memory is None and device.type == "cuda":
            return torch.cuda.mem_get_info(device)[0] // 2
        return self._options.memory

    def _kernel(self, head: Head, source: HeadSource) -> Kernel:
        key = (id(source.model), head, source.frame)
        if key not in self._kernels:
            self._kernels[key] = kernel_for(head, source, self._options.kernel, self._options.threads)
        return self._kernels[key]


def read_words(folder: Path, reading: Reading) -> tuple[str, ...]:
    """The word list of a reading; empty if its terms are tokens."""
    if reading.words is None:
        return ()
    path = folder / reading.words
    if not path.is_file():
        raise ModelError(f"{path}: the list of the words that are terms is not there.")
    return tuple(path.read_text(encoding="utf-8").split())


def words_files(folder: Path, reading: Reading) -> tuple[Path, ...]:
    return (folder / reading.words,) if reading.words is not None else ()


def index_of(words: tuple[str, ...]) -> dict[str, int] | None:
    return {word: index for index, word in enumerate(words)} if words else None
