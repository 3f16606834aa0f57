"""The analyzer against Lucene's documented behaviour, and its fast path against its plain one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lsr.analysis import CACHED_CHUNKS, Analyzer, languages
from lsr.errors import InvalidArgumentError
from lsr.vocabulary import GrowingVocabulary

ENGLISH = Analyzer()
PLAIN = Analyzer(stemmer="none", stop_words="none")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world!", ["hello", "world"]),
        ("can't won’t", ["can't", "won’t"]),
        ("'quoted' rock'n'roll'", ["quoted", "rock'n'roll"]),
        ("U.S.A. e.g. end.Next", ["u.s.a", "e.g", "end.next"]),
        ("3.14 1,000,000 1:2 5;6 v2.0", ["3.14", "1,000,000", "1", "2", "5;6", "v2.0"]),
        ("snake_case __init__ ___ a-b/c", ["snake_case", "__init__", "a", "b", "c"]),
        ("me@example.com http://a.b/c?d=1", ["me", "example.com", "http", "a.b", "c", "d", "1"]),
        ("naïve Café Straße ΣΊΣΥΦΟΣ", ["naïve", "café", "straße", "σίσυφοσ"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("a" * 300, ["a" * 255]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("東 Python入門です", ["東", "python", "入門", "門で", "です"]),
        ("한국어 검색", ["한국", "국어", "검색"]),
        ("ที่นี่", ["ที่นี่"]),
        ("ok👍🏽👩‍💻 🇫🇷™", ["ok", "👍🏽", "👩‍💻", "🇫🇷", "™"]),
        ("", []),
        ("  \n\t ", []),
        ("… — !", []),
    ],
)
def test_words(text, tokens):
    assert PLAIN.tokens(text) == tokens


def test_english_drops_stop_words_and_possessives_and_stems():
    text = "The cats' owner's houses aren't possibly running with psychology assemblies"
    assert ENGLISH.tokens(text) == ["cat", "owner", "hous", "aren't", "possibl", "run", "psycholog", "assembl"]


@pytest.mark.parametrize(
    ("word", "stem"),  # what org.apache.lucene.analysis.en.PorterStemmer gives
    [
        ("possibly", "possibl"),
        ("terribly", "terribl"),
        ("assembly", "assembl"),
        ("assemblies", "assembl"),
        ("ably", "abli"),
        ("biology", "biologi"),
        ("zoology", "zoologi"),
        ("ecology", "ecolog"),
        ("apologies", "apolog"),
        ("logy", "logi"),
        ("us", "us"),
        ("relational", "relat"),
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("sky", "sky"),
        ("happy", "happi"),
    ],
)
def test_porter_as_lucene_has_it(word, stem):
    assert ENGLISH.tokens(word) == [stem]


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        ("german", "Häuser und Bücher", ["haus", "und", "buch"]),
        ("french", "l'avion d’Orsay", ["avion", "orsay"]),
        ("turkish", "ISI", ["ıs"]),
        ("japanese", "Running 走る", ["running", "走る"]),
    ],
)
def test_other_languages(language, text, tokens):
    assert Analyzer(language, stop_words="none").tokens(text) == tokens


def test_every_language_works():
    for language in languages():
        assert Analyzer(language).tokens("alpha 123")


def test_stop_words_of_the_callers_own():
    assert Analyzer(stop_words=["fox"]).tokens("the fox runs") == ["the", "run"]


texts = st.text(st.sampled_from("aAsSéİΣ'’.,:_-19 \n語かカー한ท่่\u0301\u200d"), max_size=40)


@given(texts)
@example("İ's A.B")
@example("a\u0301 b")
@example("x" * 400 + "'s")
@pytest.mark.parametrize("language", ["english", "turkish", "french"])
def test_the_cached_path_equals_the_plain_one(language, text):
    analyzer = Analyzer(language)
    spans = analyzer.spans(text)
    assert analyzer.tokens(text) == [span.term for span in spans]
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


def test_spans_mark_the_words_in_the_text():
    text = "The Cats' owner's 東京都"
    assert [(text[span.start : span.end], span.term) for span in ENGLISH.spans(text)] == [
        ("Cats", "cat"),
        ("owner's", "owner"),
        ("東京", "東京"),
        ("京都", "京都"),
    ]


def test_the_cache_starts_anew_when_full():
    analyzer = Analyzer()
    for number in range(CACHED_CHUNKS + 10):
        analyzer.tokens(f"w{number}")
    assert analyzer.tokens("cats w5") == ["cat", "w5"]
    assert len(analyzer._terms_of) < 100


def test_threads_share_an_analyzer():
    texts = [f"running{number} houses{number}" for number in range(2000)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(Analyzer().tokens, texts))
    assert found == [Analyzer().tokens(text) for text in texts]


@given(st.lists(st.text("abc ", max_size=20), max_size=6))
def test_counts_equal_counters(rows):
    vocabulary = GrowingVocabulary()
    analyzer = Analyzer(stemmer="none", stop_words=["a"])
    counted = analyzer.count(rows, vocabulary, adding=True)
    for index, text in enumerate(rows):
        tokens = analyzer.tokens(text)
        terms, counts = counted.row(index)
        assert list(terms) == sorted(terms)
        assert {vocabulary[term]: count for term, count in zip(terms, counts, strict=True)} == Counter(tokens)
        assert counted.lengths[index] == len(tokens)


def test_queries_leave_unknown_terms_out():
    vocabulary = GrowingVocabulary(["fox", "dog"])
    counted = ENGLISH.count(["dogs dog foxes cat", "cat", ""], vocabulary, adding=False)
    assert len(vocabulary) == 2
    assert [list(counted.row(i)[0]) for i in range(3)] == [[0, 1], [], []]
    assert list(counted.counts) == [1, 2]
    assert list(counted.lengths) == [3, 0, 0]


def test_settings_bring_the_analyzer_back():
    first = Analyzer("german", stop_words=["und"])
    second = Analyzer.from_settings(first.settings)
    assert second.settings == first.settings
    assert second.fingerprint == first.fingerprint != ENGLISH.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"language": "klingon"}, "no analyzer for the language 'klingon'; there are .*english"),
        ({"stemmer": "lancaster"}, "no stemmer 'lancaster'; there are none, .*porter"),
        ({"stop_words": "some"}, 'must be "default", "none" or a list'),
    ],
)
def test_unknown_settings_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Analyzer(**arguments)


def test_settings_of_another_version_are_refused():
    with pytest.raises(InvalidArgumentError, match="analyzer settings of version 99"):
        Analyzer.from_settings({**ENGLISH.settings, "version": 99})
