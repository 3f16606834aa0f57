"""From a composition to an encoder: models loaded once, lengths settled, sides put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsr.encoders.base import EncoderInfo
from lsr.encoders.checkpoints import Checkpoint
from lsr.encoders.checks import check_first_position, check_length, check_table
from lsr.encoders.choosing import HeadSource, checkpoint_for, kernel_for, torch_kernel_for
from lsr.encoders.composition import (
    Backbone,
    Composition,
    Head,
    KernelName,
    NeuralParts,
    Precision,
    Reading,
    SideParts,
    TableParts,
    to_json,
)
from lsr.encoders.encoder import ComposedEncoder, Origin
from lsr.encoders.files import tokenizer_files
from lsr.encoders.identity import identity_of
from lsr.encoders.left_out import left_out_terms
from lsr.encoders.native import NativeAttributor, NativeKernel
from lsr.encoders.sides import NeuralSide, Side
from lsr.encoders.tables import TableSide, table_file, table_of
from lsr.encoders.tokens import Frame, TextTokenizer
from lsr.errors import ModelError, ModelMismatchError, ModelUnsupportedError
from lsr.indexer.fields import QueryTable
from lsr.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lsr.encoders.backbones import LanguageModel
    from lsr.encoders.kernels import Attributor, Kernel

DEFAULT_LENGTH = 256
# Keys of a composition whose values are paths.
PLACES = ("folder", "tokenizer", "table", "adapter")


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
    files: tuple[Path | QueryTable, ...]
    room: int


@dataclass(frozen=True, slots=True, eq=False)
class Computing:
    """The code that computes a side and attributes its weights.

    files: what the head was read from besides the model's own files
    """

    kernel: Kernel
    attributor: Attributor
    files: tuple[Path, ...] = ()


class Builder:
    """Builds the sides of one encoder; a model or kernel that both use is loaded once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._models: dict[tuple[Path, Backbone], LanguageModel] = {}
        self._checkpoints: dict[tuple[Path, Backbone, Head], Checkpoint | None] = {}
        self._kernels: dict[tuple[int, Head, Frame], Kernel] = {}

    def encoder(self, origin: Origin) -> ComposedEncoder:
        """Raises ModelMismatchError if the two sides have different vocabularies, and what loading raises."""
        composition = origin.composition
        check_table(composition.document, origin.document_folder)
        if origin.query_table is None:
            check_table(composition.query, origin.query_folder)
        documents = self._side(composition.document, origin.document_folder, "document_length")
        queries = self._side(
            composition.query,
            origin.query_folder,
            "query_length",
            terms=documents.terms,
            table=origin.query_table,
        )
        if documents.terms != queries.terms:
            raise ModelMismatchError(
                f"{composition.name}: its query side ({len(queries.terms)} terms) and its document side"
                f" ({len(documents.terms)} terms) have different vocabularies, so their vectors share no terms."
                " Name a query model of the same vocabulary."
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
        decides = without_places(to_json(composition))
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
            n_parameters=self._n_parameters(),
            vocabulary_size=len(vocabulary),
            vocabulary_fingerprint=vocabulary.fingerprint,
            precision=self._options.precision,
            kernel=documents.side.kernel_name,
            expansion_field=documents.parts.reading.expansion or "",
            document_room=documents.room,
        )

    def _side(
        self,
        parts: SideParts,
        folder: Path,
        length_name: str,
        *,
        terms: tuple[str, ...] | None = None,
        table: QueryTable | None = None,
    ) -> Built:
        if isinstance(parts, TableParts):
            return self._table_side(parts, folder, terms, table)
        return self._neural_side(parts, folder, length_name)

    def _n_parameters(self) -> int:
        """Of all models loaded, each counted once."""
        counts = {key[:2]: each.n_parameters for key, each in self._checkpoints.items() if each is not None}
        counts |= {key: each.n_parameters for key, each in self._models.items()}
        return sum(counts.values())

    def _neural_side(self, parts: NeuralParts, folder: Path, length_name: str) -> Built:
        if parts.backbone.adapter is not None and parts.backbone.kind != "causal-lm":
            raise ModelUnsupportedError(
                f"{parts.backbone.adapter}: adapters are merged into causal language models only, and"
                f" {parts.backbone.folder} is none. Merge it with peft, save the model and give that folder."
            )
        check_first_position(parts, folder)
        checkpoint = self._checkpoint(folder, parts)
        model = checkpoint if checkpoint is not None else self._model(folder, parts.backbone)
        length = parts.reading.length
        if length is None:
            length = min(DEFAULT_LENGTH, model.longest) if model.longest else DEFAULT_LENGTH
        check_length(length, model.longest, length_name)
        settled = replace(parts, reading=replace(parts.reading, length=length))
        words = read_words(folder, parts.reading)
        tokenizer = TextTokenizer(model.tokenizer, settled.reading, index_of(words))
        terms = words or model.terms
        computing = self._computing(model, parts, folder, tokenizer.frame, len(terms))
        side = NeuralSide(
            tokenizer,
            computing.kernel,
            computing.attributor,
            vocabulary_size=len(terms),
            length=length,
            memory=self._memory(model),
            own_terms=parts.own_terms,
            left_out=left_out_terms(parts.left_out, model.tokenizer),
            shaping=parts.shaping,
        )
        files = (*model.files, *computing.files, *words_files(folder, parts.reading))
        return Built(side, settled, TextTokenizer.plain(model.tokenizer), terms, files, tokenizer.room)

    def _table_side(
        self, parts: TableParts, folder: Path, terms: tuple[str, ...] | None, given: QueryTable | None
    ) -> Built:
        """terms: of the other side; a tokenizer alone cannot tell how far a model pads its own
        given: the table, if it is not the folder's own
        """
        from lsr.encoders.backbones import load_tokenizer

        words = read_words(folder, parts.reading)
        tokenizer, tokens = load_tokenizer(
            folder / parts.tokenizer, len(terms) if terms and not words else None
        )
        own_terms = words or tokens
        table = given if given is not None else table_file(parts, folder)
        files = (
            *tokenizer_files(folder / parts.tokenizer),
            *words_files(folder, parts.reading),
            *((table,) if table is not None else ()),
        )
        settled = replace(parts, reading=replace(parts.reading, length=parts.reading.length or 0))
        reader = TextTokenizer(tokenizer, settled.reading, index_of(words))
        side = TableSide(
            reader,
            table_of(parts, table, own_terms, tokenizer),
            repeats_count=parts.repeats == "counted",
            shaping=parts.shaping,
        )
        return Built(side, settled, TextTokenizer.plain(tokenizer), own_terms, files, reader.room)

    def _checkpoint(self, folder: Path, parts: NeuralParts) -> Checkpoint | None:
        """The model without torch, where that is all it takes."""
        if parts.reading.words is not None:
            return None
        key = ((folder / parts.backbone.folder).resolve(), parts.backbone, parts.head)
        if key not in self._checkpoints:
            options = self._options
            self._checkpoints[key] = checkpoint_for(
                folder, parts, device=options.device, precision=options.precision, wanted=options.kernel
            )
        return self._checkpoints[key]

    def _model(self, folder: Path, backbone: Backbone) -> LanguageModel:
        from lsr.encoders.backbones import load_causal_lm, load_headless, load_masked_lm

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
                    tied=backbone.tied,
                    adapter=adapter,
                )
        return self._models[key]

    def _memory(self, model: LanguageModel | Checkpoint) -> int | None:
        """The limit given; on a GPU else half of its free memory. None leaves it to what the machine has."""
        if self._options.memory is not None or isinstance(model, Checkpoint) or model.device.type != "cuda":
            return self._options.memory
        import torch

        return torch.cuda.mem_get_info(model.device)[0] // 2

    def _computing(
        self,
        model: LanguageModel | Checkpoint,
        parts: NeuralParts,
        folder: Path,
        frame: Frame,
        vocabulary_size: int,
    ) -> Computing:
        """The code of one side; what both sides use is made once."""
        key = (id(model), parts.head, frame)
        threads = self._options.threads
        if isinstance(model, Checkpoint):
            if key not in self._kernels:
                self._kernels[key] = NativeKernel(model, parts.head.activation, threads)
            kernel = self._kernels[key]
            assert isinstance(kernel, NativeKernel)
            return Computing(kernel, NativeAttributor(kernel))
        from lsr.encoders.heads import read_head

        head = read_head(folder / parts.backbone.folder, model.device, model.dtype)
        source = HeadSource(model, head, frame, vocabulary_size)
        if key not in self._kernels:
            self._kernels[key] = kernel_for(parts.head, source, self._options.kernel, threads)
        return Computing(self._kernels[key], torch_kernel_for(parts.head, source, threads), head.files)


def without_places(composition: dict[str, Any]) -> dict[str, Any]:
    """Without absolute paths: where files lie decides nothing, what is in them counts by itself."""
    shown: dict[str, Any] = {}
    for key, value in composition.items():
        if isinstance(value, dict):
            shown[key] = without_places(value)
        elif key in PLACES and value is not None and Path(value).is_absolute():
            shown[key] = ""
        else:
            shown[key] = value
    return shown


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
