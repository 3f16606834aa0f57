"""Stand-ins for downloads: tiny models with random weights and tokenizers trained on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lsr.vectors import SparseVectors

TEXTS = (
    "The cat sat on the mat.",
    "What is the capital of France?",
    "",
    "Inverted indexes answer queries over many documents quickly, term by term and block by block.",
    "naïve café, 東京 and Ünïcödé; punctuation!!! ... (all of it) — even dashes",
    "a",
    "the the the the the the",
    "Learned sparse retrieval weighs terms that occur in a text, and terms that do not occur in it but might.",
)


@pytest.fixture(scope="session")
def texts() -> Sequence[str]:
    return TEXTS


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random 2 x 32 BERT masked LM (weights wide enough for non-zeros) and its tokenizer."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(TEXTS * 4, vocab_size=300, min_frequency=1, show_progress=False)
    BertTokenizer(vocab=trained.get_vocab(), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=trained.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    model = BertForMaskedLM(config)
    torch.nn.init.normal_(model.cls.predictions.bias, std=0.5)
    model.save_pretrained(folder)
    return folder


def largest_difference(ours: SparseVectors, theirs: np.ndarray) -> float:
    """The largest |a − b| over the union of supports; absent is 0."""
    return float(np.abs(ours.to_scipy().toarray() - theirs).max(initial=0.0))


@pytest.fixture(scope="session")
def splade_tiny_reference() -> object:
    """The built-in model in sentence-transformers, 256 tokens."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    from lsr.encoders.loading import SPLADE_TINY

    body = Transformer(str(SPLADE_TINY.locate()), transformer_task="fill-mask", max_seq_length=256)
    return sentence_transformers.SparseEncoder(modules=[body, SpladePooling("max")], device="cpu")
