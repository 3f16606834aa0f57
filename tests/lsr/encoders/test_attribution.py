"""The source words behind a vector's terms, against the full logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsr.encoders.backbones import load_masked_lm
from lsr.encoders.loading import load_encoder

TEXT = "Inverted indexes answer: queries, UNBELIEVABLY quickly"


def test_the_winning_positions_word_is_named(tiny_bert: Path) -> None:
    encoder, model = load_encoder(tiny_bert), load_masked_lm(tiny_bert)
    terms, weights = encoder.encode_documents([TEXT]).row(0)
    sources = encoder.sources(TEXT, terms)
    encoding = model.tokenizer.encode(TEXT)
    ids = torch.tensor([encoding.ids])
    with torch.inference_mode():
        logits = model.head_inputs(ids, torch.ones_like(ids))[0] @ model.projection.weight.T
        logits += model.projection.bias
    for term, weight, source in zip(terms.tolist(), weights.tolist(), sources, strict=True):
        position = int(logits[:, term].argmax())
        assert float(torch.log1p(logits[position, term])) == pytest.approx(weight, abs=1e-4)
        if encoding.special_tokens_mask[position]:
            assert source is None
            continue
        word = encoding.word_ids[position]
        parts = [encoding.offsets[at] for at, other in enumerate(encoding.word_ids) if other == word]
        assert source == (parts[0][0], parts[-1][1])
    named = {TEXT[slice(*source)] for source in sources if source is not None}
    assert len(named) > 2
    assert named <= {"Inverted", "indexes", "answer", ":", "queries", ",", "UNBELIEVABLY", "quickly"}


def test_prompts_do_not_shift_the_words(tiny_bert: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from lsr.encoders.composition import Backbone, Composition, NeuralParts, Reading, write_composition

    side = NeuralParts(backbone=Backbone(str(tiny_bert)), reading=Reading(prompt="answer this: "))
    tmp_path.joinpath("prompted").mkdir()
    write_composition(Composition(side, replace(side), "prompted"), tmp_path / "prompted")
    encoder = load_encoder(tmp_path / "prompted")
    terms, _ = encoder.encode_documents([TEXT]).row(0)
    named = [source for source in encoder.sources(TEXT, terms) if source is not None]
    assert named
    assert {TEXT[start:end] for start, end in named} <= {
        "Inverted",
        "indexes",
        "answer",
        ":",
        "queries",
        ",",
        "UNBELIEVABLY",
        "quickly",
    }


def test_tokens_and_tables_name_their_own_words(shop: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = shop.bert("bert-with-token-head")
    head = {"token.weight": torch.zeros(1, 32), "token.bias": torch.ones(1)}
    save_file(head, folder / "head.safetensors")
    encoder = load_encoder(folder, method="unicoil")
    text = "the cat, the mat"
    terms, _ = encoder.encode_documents([text]).row(0)
    named = {
        encoder.vocabulary[term]: text[slice(*source)]
        for term, source in zip(terms.tolist(), encoder.sources(text, terms), strict=True)
        if source is not None
    }
    assert len(named) == len(terms)
    assert (named["the"], named[","], encoder.sources(text, terms[:0])) == ("the", ",", [])
    assert encoder.sources(text, np.array([0], np.uint32)) == [None]

    table = load_encoder(folder, method="splade-doc")._queries
    the, absent = encoder.vocabulary.id_of("the"), encoder.vocabulary.id_of("france")
    assert table.sources("on the, the mat", np.array([the, absent], np.uint32)) == [(3, 6), None]


def test_echoes_and_empty_texts(tmp_path: Path, texts: Sequence[str], tiny_bert: Path) -> None:
    encoder = load_encoder(tiny_bert, method="echo-mistral-splade")
    text = texts[3]
    terms, _ = encoder.encode_documents([text]).row(0)
    named = [source for source in encoder.sources(text, terms) if source is not None]
    assert len(named) == len(terms) > 0
    assert all(text[start:end].strip(" ") == text[start:end] for start, end in named)
    assert encoder.sources("", terms[:3]) == [None] * 3


def test_literal_bonuses_name_the_literal_word(shop: Any) -> None:
    from safetensors.torch import save_file

    folder = shop.bert("bert-with-bonus")
    size = len(shop.words)
    save_file(
        {"bonus.weight": torch.ones(size, 32), "bonus.bias": torch.zeros(size)}, folder / "head.safetensors"
    )
    encoder = load_encoder(folder, method="prosper")
    the, cat = (encoder.vocabulary.id_of(word) for word in ("the", "cat"))
    assert encoder.sources("the cat", np.array([cat, the], np.uint32)) == [(4, 7), (0, 3)]
