"""A side is the way texts of one kind, documents or queries, become vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lsr.encoders.base import EncodeStatistics
from lsr.encoders.batching import Batcher, windows
from lsr.encoders.checks import check_texts
from lsr.encoders.pooling import Positions
from lsr.encoders.shaping import Shaping, keep, row_numbers
from lsr.encoders.tokens import Frame, TextTokenizer, Tokens
from lsr.vectors import SparseVectors, UInt32Array

if TYPE_CHECKING:
    from lsr.encoders.kernels import Attributor, Kernel

# Texts tokenized and sorted together. Bounds what is held besides a batch (16,384 passages: some 10 MB) and is
# long enough that sorting leaves under 2 % padding.
WINDOW = 16_384


class Side(Protocol):
    @property
    def statistics(self) -> EncodeStatistics: ...

    @property
    def kernel_name(self) -> str: ...

    @property
    def batch_tokens(self) -> int:
        """Tokens computed at once at most; 0 where nothing is computed."""
        ...

    def encode(self, texts: Sequence[str]) -> SparseVectors: ...

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        """For each term the characters of the source word that its weight came from; None for no such word."""
        ...


class NeuralSide:
    """Tokenizer, batches, kernel, shaping."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        kernel: Kernel,
        attributor: Attributor,
        *,
        vocabulary_size: int,
        length: int,
        memory: int | None = None,
        own_terms: bool = False,
        left_out: UInt32Array | None = None,
        shaping: Shaping | None = None,
    ) -> None:
        """own_terms: keep only terms that stand in the text; left_out: ids of terms that never have weight."""
        self._tokenizer = tokenizer
        self._kernel = kernel
        self._attributor = attributor
        self._vocabulary_size = vocabulary_size
        self._batcher = Batcher(kernel.cost, memory, length)
        self._own_terms = own_terms
        self._left_out = left_out if left_out is not None else np.zeros(0, np.uint32)
        self._shaping = shaping if shaping is not None else Shaping()
        self._counted = EncodeStatistics()

    @property
    def statistics(self) -> EncodeStatistics:
        return self._counted + EncodeStatistics(memory_backoffs=self._batcher.backoffs)

    @property
    def kernel_name(self) -> str:
        return self._kernel.name

    @property
    def batch_tokens(self) -> int:
        """Tokens of a batch of the longest texts."""
        return self._batcher.batch_tokens

    def encode(self, texts: Sequence[str]) -> SparseVectors:
        check_texts(texts)
        parts = [self._encode_window(texts[window]) for window in windows(len(texts), WINDOW)]
        return SparseVectors.concatenate(parts or [SparseVectors.empty(0, self._vocabulary_size)])

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        tokens = self._tokenizer([text])
        if not len(tokens.ids) or not len(terms):
            return [None] * len(terms)
        places = self._tokenizer.places(text)
        return [places[at] if at >= 0 else None for at in self._attributor.attribute(tokens, terms).tolist()]

    def _encode_window(self, texts: Sequence[str]) -> SparseVectors:
        tokens = self._tokenizer(texts)
        self._counted += EncodeStatistics(
            texts=len(tokens), tokens=len(tokens.ids), truncated=int(tokens.truncated.sum())
        )
        vectors = self._batcher.run(tokens.lengths, lambda positions: self._run(tokens.take(positions)))
        if self._own_terms:
            vectors = keep_own_terms(vectors, tokens, self._tokenizer.frame)
        if len(self._left_out):
            vectors = keep(vectors, ~np.isin(vectors.terms, self._left_out))
        return self._shaping(vectors)

    def _run(self, batch: Tokens) -> SparseVectors:
        """A batch comes longest first, so texts without a single token stand at its end and give empty rows."""
        empty = int((batch.lengths == 0).sum())
        full = len(batch) - empty
        nothing = SparseVectors.empty(empty, self._vocabulary_size)
        if not full:
            return nothing
        vectors = self._kernel(batch if not empty else batch.take(range(full)))
        return SparseVectors.concatenate([vectors, nothing]) if empty else vectors


def keep_own_terms(vectors: SparseVectors, tokens: Tokens, frame: Frame) -> SparseVectors:
    """Each row with only the terms that are tokens of its text: a product with its binary bag of words."""
    size = vectors.vocabulary_size
    inner = Positions("inner", frame).marked(tokens.lengths)
    own = np.unique((tokens.row_of * size + tokens.ids)[inner])
    return keep(vectors, np.isin(row_numbers(vectors) * size + vectors.terms, own))
