"""Stand-ins for downloads: tiny models with random weights and tokenizers trained on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pytest

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


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models of two layers are slower on several threads than on one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def texts() -> Sequence[str]:
    return TEXTS


class ModelShop:
    """Makes model folders. Random weights are drawn wide enough that vectors have non-zeros."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def words(self) -> dict[str, int]:
        """A WordPiece vocabulary. Trained once: training breaks ties as it likes."""
        from tokenizers import BertWordPieceTokenizer

        trained = BertWordPieceTokenizer()
        trained.train_from_iterator(TEXTS * 4, vocab_size=300, min_frequency=1, show_progress=False)
        return dict(trained.get_vocab())

    def bert(self, name: str, *, seed: int = 7, **changes: object) -> Path:
        """A random 2 x 32 BERT masked LM with a WordPiece tokenizer."""
        import torch
        from transformers import BertConfig, BertForMaskedLM, BertTokenizer

        folder = self.folder / name
        BertTokenizer(vocab=self.words, model_max_length=64).save_pretrained(folder)
        torch.manual_seed(seed)
        settings: dict[str, object] = {
            "vocab_size": len(self.words),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 64,
            "initializer_range": 0.4,
        }
        model = BertForMaskedLM(BertConfig(**(settings | changes)))
        torch.nn.init.normal_(model.cls.predictions.bias, std=0.5)
        model.save_pretrained(folder)
        return folder


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ModelShop:
    return ModelShop(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def tiny_bert(shop: ModelShop) -> Path:
    return shop.bert("tiny-bert")


@pytest.fixture(scope="session")
def splade_tiny_reference() -> object:
    """The built-in model in sentence-transformers, 256 tokens."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    from lsr.encoders.loading import SPLADE_TINY

    body = Transformer(str(SPLADE_TINY.locate()), transformer_task="fill-mask", max_seq_length=256)
    return sentence_transformers.SparseEncoder(modules=[body, SpladePooling("max")], device="cpu")
