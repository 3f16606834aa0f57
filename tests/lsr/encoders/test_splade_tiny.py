"""The built-in model, end to end, against sentence-transformers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lsr import _native
from lsr.encoders.base import EncodeStatistics, SparseEncoder
from lsr.encoders.loading import SPLADE_TINY, BuiltInModel, load_encoder
from lsr.encoders.tokens import Tokens
from lsr.errors import InvalidArgumentError, ModelNotFoundError
from lsr.vectors import SparseVectors


@pytest.fixture(scope="module")
def encoder() -> SparseEncoder:
    return load_encoder("splade-tiny", threads=1)


def test_vectors_equal_sentence_transformers(
    encoder: SparseEncoder, texts: Sequence[str], splade_tiny_reference: object
) -> None:
    expected = splade_tiny_reference.encode(  # type: ignore[attr-defined]
        list(texts), convert_to_sparse_tensor=False, show_progress_bar=False
    ).numpy()
    ours = encoder.encode_documents(texts)
    assert np.abs(ours.to_scipy().toarray() - expected).max() <= 1e-4
    assert encoder.encode_queries(texts).to_scipy().toarray() == pytest.approx(expected, abs=1e-4)


def test_rows_do_not_depend_on_their_neighbours(encoder: SparseEncoder, texts: Sequence[str]) -> None:
    together = encoder.encode_documents(texts)
    for at, text in enumerate(texts):
        alone = encoder.encode_documents([text])
        difference = alone.to_scipy() - together.rows(at, at + 1).to_scipy()
        assert abs(difference).max() <= 1e-5


def test_what_it_says_of_itself(encoder: SparseEncoder) -> None:
    info = encoder.describe()
    assert (info.name, info.method, info.kernel, info.licence) == (
        "splade-tiny",
        "splade-max",
        f"native-{_native.active_isa()}",
        "Apache-2.0",
    )
    assert (info.document_length, info.query_length, info.vocabulary_size) == (256, 256, 30522)
    assert info.vocabulary_fingerprint == encoder.vocabulary.fingerprint
    assert len(info.identity) == 64
    assert info.to_json()["n_parameters"] == info.n_parameters == 4_416_698


def test_identity_follows_what_decides_the_vectors(encoder: SparseEncoder) -> None:
    identity = encoder.describe().identity
    assert load_encoder("splade-tiny", threads=2, memory=2**30).describe().identity == identity
    assert load_encoder("splade-tiny", document_length=128).describe().identity != identity


def test_truncated_texts_are_counted() -> None:
    encoder = load_encoder("splade-tiny", document_length=8)
    short, long = "one two three four five six", "one two three four five six seven"
    vectors = encoder.encode_documents([short, long, long])
    assert encoder.statistics == EncodeStatistics(texts=3, tokens=24, truncated=2)
    assert vectors.row(0)[1].tolist() == vectors.row(1)[1].tolist()


def test_no_texts_and_wrong_texts(encoder: SparseEncoder) -> None:
    nothing = encoder.encode_documents([])
    assert (len(nothing), nothing.vocabulary_size) == (0, 30522)
    with pytest.raises(InvalidArgumentError, match="not one string"):
        encoder.encode_documents("a bare string")
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\] is a NoneType"):
        encoder.encode_documents(["a", None])  # type: ignore[list-item]
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\]: .* at character 2 is half a character"):
        encoder.encode_queries(["a", "b\udce9"])


def test_lengths_without_positions_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="document_length must be 1 to 512 for this model, not 513"):
        load_encoder("splade-tiny", document_length=513)
    with pytest.raises(InvalidArgumentError, match="query_length must be at least 1"):
        load_encoder("splade-tiny", query_length=0)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelNotFoundError, match="splade-tiny"):
        load_encoder("no-such-model")


def test_a_missing_package_is_named_with_its_remedy() -> None:
    with pytest.raises(ModelNotFoundError, match=r"pip install no-such-package==1\.0"):
        BuiltInModel("no-such-package", "1.0", "model", "none").locate()
    other = BuiltInModel(SPLADE_TINY.package, "9.9", SPLADE_TINY.folder, "none")
    with pytest.raises(ModelNotFoundError, match=r"in version 0\.1\.1.*tested with 9\.9"):
        other.locate()


def test_the_threads_of_the_process_are_put_back(encoder: SparseEncoder) -> None:
    torch.set_num_threads(2)
    try:
        encoder.encode_documents(["one thread inside"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor any operation returns, views of weights apart."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor) and each._base is None:
                self.numel = max(self.numel, each.numel())
        return result


def test_the_logits_never_exist_as_a_whole(encoder: SparseEncoder) -> None:
    texts = ["one long text of many words " * 40] * 4
    with LargestTensor() as seen:
        encoder.encode_documents(texts)
    assert seen.numel <= 4 * 256 * 512  # one tile; the logits would be 60 times that


def test_memory_limits_the_batch_and_failures_are_counted(
    texts: Sequence[str], caplog: pytest.LogCaptureFixture, failing_twice: Iterator[None]
) -> None:
    encoder = load_encoder("splade-tiny")
    with caplog.at_level(logging.WARNING):
        vectors = encoder.encode_documents(texts)
    assert len(vectors) == len(texts)
    assert encoder.statistics.memory_backoffs == 2
    assert "batches are halved" in caplog.text


@pytest.fixture
def failing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two batches meet an allocator that has nothing left."""
    from lsr.encoders.native import NativeKernel

    real, left = NativeKernel.__call__, [2]

    def call(kernel: NativeKernel, tokens: Tokens) -> SparseVectors:
        if left[0]:
            left[0] -= 1
            raise MemoryError("std::bad_alloc")
        return real(kernel, tokens)

    monkeypatch.setattr(NativeKernel, "__call__", call)


def test_spans_are_the_tokens_of_the_whole_text(encoder: SparseEncoder) -> None:
    text = "The tokenizer, " + "word " * 400 + "and a Tokenizer."
    spans = encoder.spans(text)

    pieces = [(encoder.vocabulary[span.term], text[span.start : span.end]) for span in spans]
    assert pieces[:4] == [("the", "The"), ("token", "token"), ("##izer", "izer"), (",", ",")]
    assert pieces[-2] == ("##izer", "izer")
    assert len(spans) == 4 + 400 + 5
