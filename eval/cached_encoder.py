"""An encoder that looks in the vector cache before it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from lsr.eval.cache import Side, VectorCache

from lsr.characters import check_strings
from lsr.encoders.base import EncodeStatistics

if TYPE_CHECKING:
    from lsr.encoders.base import EncoderInfo, SparseEncoder, TermSpan
    from lsr.vectors import SparseVectors, UInt32Array
    from lsr.vocabulary import Vocabulary


class CachedEncoder:
    """The same vectors as ``encoder``'s; what it computes is kept for later runs.

    ``statistics`` counts all texts, found or computed; tokens and memory_backoffs only of those computed.
    """

    def __init__(self, encoder: SparseEncoder, cache: VectorCache) -> None:
        self._encoder = encoder
        self._cache = cache
        self._statistics = EncodeStatistics()
        self.n_found = 0  # texts that did not have to be encoded

    @property
    def vocabulary(self) -> Vocabulary:
        return self._encoder.vocabulary

    @property
    def statistics(self) -> EncodeStatistics:
        return self._statistics

    def describe(self) -> EncoderInfo:
        return self._encoder.describe()

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        return self._through_cache("document", texts, self._encoder.encode_documents)

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self._through_cache("query", texts, self._encoder.encode_queries)

    def spans(self, text: str) -> list[TermSpan]:
        return self._encoder.spans(text)

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        return self._encoder.sources(text, terms)

    def _through_cache(
        self, side: Side, texts: Sequence[str], encode: Callable[[Sequence[str]], SparseVectors]
    ) -> SparseVectors:
        check_strings(texts)
        before = self._encoder.statistics

        def compute(missing: Sequence[str]) -> tuple[SparseVectors, npt.NDArray[np.bool_]]:
            n_before = self._encoder.statistics.truncated
            vectors = encode(missing)
            return vectors, _longest(missing, self._encoder.statistics.truncated - n_before)

        batch = self._cache.vectors(
            self._encoder.describe().identity, side, texts, compute, len(self._encoder.vocabulary)
        )
        after = self._encoder.statistics
        self.n_found += batch.n_found
        self._statistics += EncodeStatistics(
            texts=len(texts),
            tokens=after.tokens - before.tokens,
            truncated=int(np.count_nonzero(batch.truncated)),
            memory_backoffs=after.memory_backoffs - before.memory_backoffs,
        )
        return batch.vectors


def _longest(texts: Sequence[str], n_truncated: int) -> npt.NDArray[np.bool_]:
    """Marks the ``n_truncated`` texts with the most characters.

    An encoder counts truncated texts without saying which. Characters stand in for tokens here: the count of a
    collection is exact when its texts were cached together, close when they came from several.
    """
    flags = np.zeros(len(texts), np.bool_)
    flags[np.argsort([-len(text) for text in texts], kind="stable")[:n_truncated]] = True
    return flags
