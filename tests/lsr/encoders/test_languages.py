"""Models with SentencePiece tokenizers, in languages with and without spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lsr.encoders.display import TermDisplay
from lsr.encoders.loading import load_encoder

TEXTS = (
    "größere Straßen und alte Häuser in der Stadt",
    "東京の喫茶店で本を読む。",
    "Les élèves lisent à l'école",
    "",
)


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random XLM-RoBERTa with a Unigram tokenizer that puts <s> and </s> around a text."""
    from tokenizers import SentencePieceUnigramTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

    folder = tmp_path_factory.mktemp("languages") / "xlm-r"
    trained = SentencePieceUnigramTokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(
        TEXTS * 6, vocab_size=160, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    backend = trained._tokenizer
    backend.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>", **names).save_pretrained(folder)
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=backend.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        pad_token_id=1,
        type_vocab_size=1,
        initializer_range=0.4,
    )
    XLMRobertaForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kernel", ["torch", "native"])
def test_vectors_equal_the_formula(multilingual: Path, kernel: str) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    encoder = load_encoder(multilingual, kernel=kernel)  # type: ignore[arg-type]
    model, tokenizer = (
        AutoModelForMaskedLM.from_pretrained(multilingual).eval(),
        AutoTokenizer.from_pretrained(multilingual),
    )
    vectors = encoder.encode_documents(TEXTS).to_scipy().toarray()
    for row, text in zip(vectors, TEXTS, strict=True):
        with torch.inference_mode():
            logits = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=38)).logits[0]
        assert np.abs(row - torch.log1p(logits.relu()).amax(0).numpy()).max() <= 1e-4
    assert encoder.describe().document_length == 38  # RoBERTa's positions start behind the padding id


def test_terms_and_sources_are_words(multilingual: Path) -> None:
    encoder = load_encoder(multilingual)
    show = TermDisplay.of(encoder.vocabulary)
    assert show.kind == "sentencepiece"
    for text in TEXTS:
        terms, _ = encoder.encode_documents([text]).row(0)
        assert not any("▁" in show(encoder.vocabulary[term]) for term in terms.tolist())
        named = {text[slice(*source)] for source in encoder.sources(text, terms) if source is not None}
        assert all(word and word == word.strip() and word in text for word in named)
    terms, _ = encoder.encode_documents([TEXTS[0]]).row(0)
    assert "Straßen" in {TEXTS[0][slice(*at)] for at in encoder.sources(TEXTS[0], terms) if at is not None}
