"""Transforms and passages in front of an encoder."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lsr.encoders.encoder import ComposedEncoder
from lsr.encoders.loading import load_encoder
from lsr.encoders.prepared import PreparedEncoder, TextTransform
from lsr.encoders.splitting import Splitting, split
from lsr.errors import InvalidArgumentError

LONG = "The cat sat on the mat. What is the capital of France? Learned sparse retrieval weighs terms. " * 4


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> ComposedEncoder:
    return load_encoder(tiny_bert, document_length=32)


@pytest.fixture
def masking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a transform in a module of the user's own."""
    (tmp_path / "my_masks.py").write_text(
        "def mask(text):\n    return text.replace('France', 'the')\n\n\n"
        "def broken(text):\n    return None\n\n\n"
        "def failing(text):\n    return {'a': 'b'}[text] if text == 'a' else {}['no name']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_masks", raising=False)
    return "my_masks:mask"


def test_a_split_document_holds_each_terms_largest_weight(
    encoder: ComposedEncoder, texts: Sequence[str]
) -> None:
    splitting = Splitting(length=24, overlap=8)
    prepared = PreparedEncoder(encoder, splitting=splitting)
    documents = [texts[0], LONG, ""]
    vectors = prepared.encode_documents(documents).to_scipy().toarray()
    for row, text in zip(vectors, documents, strict=True):
        passages = encoder.encode_documents(split(text, splitting, encoder.spans)).to_scipy().toarray()
        np.testing.assert_allclose(row, passages.max(axis=0), atol=1e-5)
    assert prepared.statistics.split == 1
    assert prepared.statistics.truncated == 0
    assert encoder.encode_documents([LONG]).nnz < np.count_nonzero(vectors[1])
    assert len(prepared.encode_documents([])) == 0


def test_transforms_change_documents_and_queries_alike(encoder: ComposedEncoder, masking: str) -> None:
    prepared = PreparedEncoder(encoder, transform=TextTransform.load(masking))
    plain, masked = "the capital of France", "the capital of the"
    for side in ("encode_documents", "encode_queries"):
        assert (
            getattr(prepared, side)([plain]).weights.tolist()
            == getattr(encoder, side)([masked]).weights.tolist()
        )


def test_what_was_done_is_recorded(encoder: ComposedEncoder, masking: str) -> None:
    transform, splitting = TextTransform.load(masking), Splitting(16, 4)
    infos = [
        PreparedEncoder(encoder).describe(),
        PreparedEncoder(encoder, transform=transform).describe(),
        PreparedEncoder(encoder, splitting=splitting).describe(),
        PreparedEncoder(encoder, transform=transform, splitting=splitting).describe(),
    ]
    assert infos[0] == encoder.describe()
    assert len({info.identity for info in infos}) == 4
    assert infos[3].transform == masking
    assert infos[3].splitting == "16 tokens at sentences, 4 overlapping, merged by maximum"


def test_a_changed_function_is_noticed(tmp_path: Path, masking: str) -> None:
    before = TextTransform.load(masking)
    source = (tmp_path / "my_masks.py").read_text().replace("'the'", "'a city'")
    (tmp_path / "my_masks.py").write_text(source)
    del sys.modules["my_masks"]
    import linecache

    linecache.clearcache()
    assert TextTransform.load(masking).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_module_here:f", "cannot be imported: ModuleNotFoundError: .*in the current folder"),
        ("my_masks:absent", "cannot be imported"),
        ("my_slips:f", "'my_slips:f' cannot be imported: SyntaxError"),
        ("my_masks", "write it as package.module:function"),
        ("my_masks:__name__", "names no function"),
    ],
)
def test_transforms_that_are_none(masking: str, tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "my_slips.py").write_text("def f(text) return text")
    with pytest.raises(InvalidArgumentError, match=says):
        TextTransform.load(name)


def test_transforms_must_give_texts(encoder: ComposedEncoder, masking: str) -> None:
    prepared = PreparedEncoder(encoder, transform=TextTransform.load("my_masks:broken"))
    with pytest.raises(InvalidArgumentError, match=r"gave a NoneType for texts\[0\]"):
        prepared.encode_documents(["a"])
    failing = PreparedEncoder(encoder, transform=TextTransform.load("my_masks:failing"))
    said = r"'my_masks:failing' failed at texts\[1\], 'bad text': KeyError: 'no name'\."
    with pytest.raises(InvalidArgumentError, match=said):
        failing.encode_queries(["a", "bad text"])


def test_passages_longer_than_the_encoder_reads_are_refused(encoder: ComposedEncoder) -> None:
    with pytest.raises(InvalidArgumentError, match="passages of 31 tokens are longer than the 30"):
        PreparedEncoder(encoder, splitting=Splitting(31))


def test_words_behind_terms_are_found_in_their_passage(encoder: ComposedEncoder, masking: str) -> None:
    splitting = Splitting(length=16, overlap=4)
    prepared = PreparedEncoder(encoder, splitting=splitting)
    terms, _ = prepared.encode_documents([LONG]).row(0)
    sources = prepared.sources(LONG, terms)
    named = [source for source in sources if source is not None]
    assert {LONG[start:end] for start, end in named} <= set(re.findall(r"\w+|[^\w\s]", LONG))
    assert any(start > len(LONG) // 4 for start, _ in named)
    assert len(named) > len(terms) // 2

    short = "the cat"
    few, _ = encoder.encode_documents([short]).row(0)
    assert PreparedEncoder(encoder, splitting=splitting).sources(short, few) == encoder.sources(short, few)
    masked = PreparedEncoder(encoder, transform=TextTransform.load(masking))
    assert masked.sources(short, few) == encoder.sources(short, few)
    assert masked.sources("France", few) == [None] * len(few)
