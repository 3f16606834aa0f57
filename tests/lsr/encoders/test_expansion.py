"""Texts with an expansion behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lsr.data.documents import Document

from lsr.encoders.expansion import document_text, tilde_expansion
from lsr.encoders.loading import load_encoder


def test_methods_that_read_expansions_say_so(shop: Any, tiny_bert: Path) -> None:
    from safetensors.torch import save_file

    folder = shop.bert("bert-for-expansions")
    head = {"token.weight": torch.zeros(1, 32), "token.bias": torch.ones(1)}
    save_file(head, folder / "head.safetensors")
    encoder, plain = load_encoder(folder, method="unicoil"), load_encoder(tiny_bert)
    document = Document("1", "the cat", "On", {"expansion": ["mat", "sat"]})
    text = document_text(document, encoder.describe())
    assert text == "On the cat mat sat"
    assert {"on", "the", "cat", "mat", "sat"} <= encoder.encode_documents([text]).to_dicts(encoder.vocabulary)[
        0
    ].keys()
    assert (
        document_text(Document("2", "the cat", "", {"expansion": "mat"}), encoder.describe()) == "the cat mat"
    )
    assert document_text(Document("3", "the cat"), encoder.describe()) == "the cat"
    assert document_text(document, plain.describe()) == "On the cat"


def test_tilde_expansions_are_the_likeliest_absent_terms(tiny_bert: Path) -> None:
    encoder = load_encoder(tiny_bert, method="tilde")
    text = "the cat sat"
    weights = encoder.encode_documents([text]).to_dicts(encoder.vocabulary)[0]
    pieces = [term for term in weights if term.startswith("##")]
    absent = [term for term in weights if term not in ("the", "cat", "sat", *pieces)]
    first = encoder.vocabulary.id_of(absent[0])
    assert first is not None
    assert tilde_expansion(encoder, [text, ""], k=3, leave_out=[first])[0].split(" ") == absent[1:4]
    assert pieces
    whole = tilde_expansion(encoder, [text])[0]
    assert [encoder.vocabulary[span.term] for span in encoder.spans(whole)] == absent
