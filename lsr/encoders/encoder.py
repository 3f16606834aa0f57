"""An encoder out of two sides. A side is the way texts of one kind become vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from lsr.encoders.base import EncoderInfo, EncodeStatistics, TermSpan
from lsr.encoders.batching import Batcher, windows
from lsr.encoders.identity import identity_of
from lsr.encoders.kernels import Kernel
from lsr.encoders.shaping import Shaping
from lsr.encoders.tokens import TextTokenizer
from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

# Texts tokenized and sorted together. Bounds what is held besides a batch (16,384 passages: some 10 MB) and is
# long enough that sorting leaves under 2 % padding.
WINDOW = 16_384


class Side(Protocol):
    """Texts of one kind, documents or queries, to vectors."""

    @property
    def statistics(self) -> EncodeStatistics: ...

    @property
    def kernel_name(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> SparseVectors: ...

    def spans(self, text: str) -> list[TermSpan]: ...


class NeuralSide:
    """Tokenizer, batches, kernel, shaping."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        kernel: Kernel,
        vocabulary_size: int,
        *,
        length: int,
        memory: int | None = None,
        shaping: Shaping | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._kernel = kernel
        self._vocabulary_size = vocabulary_size
        self._batcher = Batcher(kernel.cost, memory, length)
        self._shaping = shaping if shaping is not None else Shaping()
        self._counted = EncodeStatistics()

    @property
    def statistics(self) -> EncodeStatistics:
        return self._counted + EncodeStatistics(memory_backoffs=self._batcher.backoffs)

    @property
    def kernel_name(self) -> str:
        return self._kernel.name

    def encode(self, texts: Sequence[str]) -> SparseVectors:
        check_texts(texts)
        parts = [self._encode_window(texts[window]) for window in windows(len(texts), WINDOW)]
        return SparseVectors.concatenate(parts or [SparseVectors.empty(0, self._vocabulary_size)])

    def spans(self, text: str) -> list[TermSpan]:
        return self._tokenizer.spans(text)

    def _encode_window(self, texts: Sequence[str]) -> SparseVectors:
        tokens = self._tokenizer(texts)
        self._counted += EncodeStatistics(
            texts=len(tokens), tokens=len(tokens.ids), truncated=int(tokens.truncated.sum())
        )
        vectors = self._batcher.run(tokens.lengths, lambda positions: self._kernel(tokens.take(positions)))
        return self._shaping(vectors)


@dataclass(frozen=True, slots=True)
class Facts:
    """What an encoder is called and made of, for its EncoderInfo and identity."""

    name: str
    method: str
    licence: str
    document_length: int
    query_length: int
    precision: str
    n_parameters: int
    composition: Mapping[str, object]
    files: tuple[Path, ...] = field(default=())


class ComposedEncoder:
    """Two sides over one vocabulary. They may be the same object."""

    def __init__(self, vocabulary: Vocabulary, documents: Side, queries: Side, facts: Facts) -> None:
        self._vocabulary = vocabulary
        self._documents = documents
        self._queries = queries
        self._facts = facts
        self._identity = identity_of(facts.composition, facts.files)

    @property
    def vocabulary(self) -> Vocabulary:
        return self._vocabulary

    @property
    def statistics(self) -> EncodeStatistics:
        if self._documents is self._queries:
            return self._documents.statistics
        return self._documents.statistics + self._queries.statistics

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        return self._documents.encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self._queries.encode(texts)

    def spans(self, text: str) -> list[TermSpan]:
        return self._documents.spans(text)

    def describe(self) -> EncoderInfo:
        facts = self._facts
        return EncoderInfo(
            name=facts.name,
            identity=self._identity,
            method=facts.method,
            document_length=facts.document_length,
            query_length=facts.query_length,
            licence=facts.licence,
            n_parameters=facts.n_parameters,
            vocabulary_size=len(self._vocabulary),
            vocabulary_fingerprint=self._vocabulary.fingerprint,
            precision=facts.precision,
            kernel=self._documents.kernel_name,
        )


def check_texts(texts: Sequence[str]) -> None:
    """Raises InvalidArgumentError for a bare string or an item that is none: both are easy slips."""
    if isinstance(texts, str):
        raise InvalidArgumentError("texts must be a list of strings, not one string", field="texts")
    wrong = np.flatnonzero([not isinstance(text, str) for text in texts])
    if len(wrong):
        at = int(wrong[0])
        raise InvalidArgumentError(
            f"texts[{at}] is a {type(texts[at]).__name__}, not a string", field=f"texts[{at}]"
        )
