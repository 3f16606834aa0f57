"""Terms shown as words, for the three families of tokenizers."""

from __future__ import annotations

import pytest

from lsr.encoders.display import TermDisplay

TEXTS = [
    "The naïve café in 東京 opened",
    "größere Straßen und Häuser",
    "東京の喫茶店で本を読む",
    "tokenization of words",
] * 6


def test_wordpiece() -> None:
    from tokenizers import BertWordPieceTokenizer

    trained = BertWordPieceTokenizer(lowercase=False)
    trained.train_from_iterator(TEXTS, vocab_size=120, min_frequency=1, show_progress=False)
    show = TermDisplay.of(trained.get_vocab())
    assert show.kind == "wordpiece"
    assert [show(term) for term in ("##ing", "café", "[CLS]", "##", "#")] == ["ing", "café", "[CLS]", "␣", "#"]


def test_byte_level() -> None:
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=600, show_progress=False)
    show = TermDisplay.of(trained.get_vocab())
    assert show.kind == "byte-level"
    for text in ("naïve café", " größere", "東京の", " words"):
        pieces = trained.encode(text).tokens
        assert show("".join(pieces)) == text.strip()
    assert show(trained.encode("東").tokens[0][0]) == "\\xe6"
    assert [show(term) for term in ("<|end|>", "Ġ", "é")] == ["<|end|>", "␣", "\\xe9"]


def test_sentencepiece() -> None:
    from tokenizers import SentencePieceUnigramTokenizer

    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=150, show_progress=False)
    show = TermDisplay.of(trained.get_vocab())
    assert show.kind == "sentencepiece"
    assert [show(term) for term in ("▁Straßen", "喫茶店", "▁", "en")] == ["Straßen", "喫茶店", "␣", "en"]


@pytest.mark.parametrize("terms", [["cat", "dog"], ["##", *map(str, range(500))], []])
def test_words_are_shown_as_they_are(terms: list[str]) -> None:
    show = TermDisplay.of(terms)
    assert show.kind == "words"
    assert show("##x") == "##x"
