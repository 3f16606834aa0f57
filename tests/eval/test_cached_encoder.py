"""The caching encoder against the encoder it wraps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from lsr.eval.cache import VectorCache
from lsr.eval.cached_encoder import CachedEncoder

from lsr.encoders.base import EncoderInfo, EncodeStatistics, TermSpan
from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary


class Letters:
    """Counts letters a to e of the first five characters; what is longer counts as truncated."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary("abcde")
        self.statistics = EncodeStatistics()

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        self.statistics += EncodeStatistics(
            texts=len(texts), tokens=sum(map(len, texts)), truncated=sum(len(text) > 5 for text in texts)
        )
        rows = [{char: float(text[:5].count(char)) for char in text[:5]} for text in texts]
        return SparseVectors.from_dicts(rows, self.vocabulary)

    encode_queries = encode_documents

    def spans(self, text: str) -> list[TermSpan]:
        return [TermSpan(0, 1, 0)]

    def describe(self) -> EncoderInfo:
        return EncoderInfo("letters", "id", "none", 5, 5, "", 0, 5, "", "float32", "none")


def test_a_bare_string_is_not_taken_apart(tmp_path: Path) -> None:
    cached = CachedEncoder(Letters(), VectorCache(tmp_path))
    for encode in (cached.encode_documents, cached.encode_queries):
        with pytest.raises(InvalidArgumentError, match="texts must be a list of strings, not one string"):
            encode("abc")


def test_vectors_and_statistics_are_the_encoders(tmp_path: Path) -> None:
    texts = ["abc", "aabbccdd", "e", "abc"]
    plain, inner = Letters(), Letters()
    expected = plain.encode_documents(texts)
    for n_found in (0, 4):
        cached = CachedEncoder(inner, VectorCache(tmp_path))
        got = cached.encode_documents(texts)
        assert np.array_equal(got.indptr, expected.indptr)
        assert np.array_equal(got.weights, expected.weights)
        assert (cached.statistics.texts, cached.statistics.truncated) == (4, 1)
        assert cached.n_found == n_found
    assert inner.statistics.texts == 3
    assert cached.statistics.tokens == 0
    assert len(cached.encode_queries([])) == 0
    assert inner.statistics.texts == 3
    cached.encode_queries(["abc"])
    assert inner.statistics.texts == 4  # a query's vector is another one


def test_the_rest_is_handed_through(tmp_path: Path) -> None:
    inner = Letters()
    cached = CachedEncoder(inner, VectorCache(tmp_path))
    assert cached.vocabulary is inner.vocabulary
    assert cached.describe() == inner.describe()
    assert cached.spans("a") == inner.spans("a")
