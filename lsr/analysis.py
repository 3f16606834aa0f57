"""From text to terms, for counted fields (BM25): what Lucene's analyzers do, at Python's best speed.

    text -> words (Unicode UAX #29) -> lower case -> elision, possessive -> stop words -> stem

English is Lucene's EnglishAnalyzer: its 33 stop words and Porter's stemmer as Lucene has it. Text in scripts
that do not put spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) is cut into
overlapping pairs of characters in every language setting, as Lucene's CJKAnalyzer does.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lsr.characters import check_strings
from lsr.errors import InvalidArgumentError
from lsr.porter import with_lucene_suffix
from lsr.stopwords import stop_words_of
from lsr.vectors import TermCounts
from lsr.vocabulary import GrowingVocabulary, Vocabulary

if TYPE_CHECKING:
    import regex


VERSION = 1  # of what the settings mean: a change to the steps below is a new version
LONGEST_TOKEN = 255  # as in Lucene; what is longer is cut there
LONGEST_CACHED = 32  # characters: longer chunks (URLs, unspaced scripts) hardly ever come again
CACHED_CHUNKS = 1 << 16  # about 12 MB; the cache starts anew when it is full

UNSTEMMED = {"chinese", "japanese", "korean", "thai", "lao", "khmer", "burmese"}
POSSESSIVE = {"english"}
ELISIONS = {
    "french": r"(?:[cdjlmnst]|qu|jusqu|quoiqu|lorsqu|puisqu)['’]",
    "italian": r"(?:c|l|all|dall|dell|nell|sull|coll|pell|gl|agl|dagl|degl|negl|sugl|un|m|t|s|v|d)['’]",
    "catalan": r"(?:[dlmnst])['’]",
    "irish": r"(?:[dmb])['’]",
}

# UAX #29's word-break rules, without its scripts that have no spaces. An `E` after each character: rule WB4.
_E = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*"
_UNSPACED = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{WB=Katakana}\p{LB=SA}]--\p{M}]"
_LETTER = rf"(?:[[\p{{WB=ALetter}}\p{{WB=Hebrew_Letter}}]--{_UNSPACED}]{_E})"
_DIGIT = rf"(?:\p{{WB=Numeric}}{_E})"
_JOINER = rf"(?:\p{{WB=ExtendNumLet}}{_E})"
_IN_WORD = rf"(?:[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}']{_E})"
_IN_NUMBER = rf"(?:[\p{{WB=MidNum}}\p{{WB=MidNumLet}}']{_E})"
_LETTERS = rf"{_LETTER}+(?:{_IN_WORD}{_LETTER}+)*"
_DIGITS = rf"{_DIGIT}+(?:{_IN_NUMBER}{_DIGIT}+)*"
_WORD = rf"{_JOINER}*(?:{_LETTERS}|{_DIGITS})(?:{_JOINER}|{_LETTERS}|{_DIGITS})*"
_PICTURE = rf"\p{{Extended_Pictographic}}{_E}(?:(?<=\u200d)\p{{Extended_Pictographic}}{_E})*|\p{{RI}}\p{{RI}}"
_TOKEN = rf"(?P<word>{_WORD}|{_PICTURE})|(?P<unspaced>(?:{_UNSPACED}{_E})+)"


class Span(NamedTuple):
    """A term and where in the text it stands: characters [start, end)."""

    start: int
    end: int
    term: str


class Analyzer:
    """Text to terms, by fixed settings. Safe to share between threads."""

    def __init__(
        self,
        language: str = "english",
        *,
        stemmer: str = "default",
        stop_words: str | Iterable[str] = "default",
    ) -> None:
        """language: a name in English ("english", "german", "japanese", …)
        stemmer: a Snowball algorithm, "none", or "default" for the language's own ("porter" for English)
        stop_words: words to leave out, in lower case; "none"; or "default" for the language's list

        Raises InvalidArgumentError that lists the languages, for one that is not known.
        """
        self.language = _known_language(language.lower())
        self.stemmer = _stemmer_name(self.language, stemmer)
        self.stop_words = _stop_words(self.language, stop_words)
        self._steps = _Steps(self.language, self.stemmer, self.stop_words)
        self._terms_of = _ChunkCache(self._steps)

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Analyzer:
        """The analyzer that wrote ``settings``. Raises InvalidArgumentError if this release has no such one."""
        if settings.get("version") != VERSION:
            raise InvalidArgumentError(
                f"analyzer settings of version {settings.get('version')}, but this release knows {VERSION};"
                " index the documents again, or use the release that wrote them"
            )
        stop_words = settings["stop_words"]
        if not isinstance(stop_words, list):
            raise InvalidArgumentError("analyzer settings: stop_words must be a list")
        return cls(str(settings["language"]), stemmer=str(settings["stemmer"]), stop_words=stop_words)

    @property
    def settings(self) -> dict[str, object]:
        """Everything that decides the terms, as JSON values."""
        return {
            "version": VERSION,
            "language": self.language,
            "stemmer": self.stemmer,
            "stop_words": sorted(self.stop_words),
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the settings."""
        canonical = json.dumps(self.settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def tokens(self, text: str) -> list[str]:
        """The text's terms, in order, with repeats."""
        return list(self._stream(text))

    def spans(self, text: str) -> list[Span]:
        """The same terms, each with its place in the text; for highlighting. Slower than ``tokens``."""
        return list(self._steps.spans(text))

    def count(
        self, texts: Sequence[str], vocabulary: Vocabulary | GrowingVocabulary, *, adding: bool
    ) -> TermCounts:
        """A bag of words for each text.

        adding: True gives unseen terms the vocabulary's next ids, by first occurrence; False (for queries)
        leaves them out, also of the lengths.
        Raises InvalidArgumentError for a bare string, and for an item that is none.
        """
        check_strings(texts)
        bags = [Counter(self._stream(text)) for text in texts]
        ids = [_ids_of(bag, vocabulary, adding) for bag in bags]
        return _term_counts(ids, bags, adding)

    def _stream(self, text: str) -> Iterator[str]:
        return chain.from_iterable(map(self._terms_of.__getitem__, self._steps.lower(text).split()))


class _Steps:
    """The steps from text to terms. No term spans white space, so a chunk can be done by itself."""

    def __init__(self, language: str, stemmer: str, stop_words: frozenset[str]) -> None:
        import regex

        self._stop_words = stop_words
        self._token: regex.Pattern[str] = regex.compile(_TOKEN, regex.V1)
        self._character: regex.Pattern[str] = regex.compile(rf".{_E}", regex.V1 | regex.DOTALL)
        self._elision = regex.compile(ELISIONS[language]) if language in ELISIONS else None
        self._has_possessive = language in POSSESSIVE
        self._lower_first = str.maketrans({"I": "ı", "İ": "i"}) if language == "turkish" else None
        self._stem = _Stem(stemmer)

    def lower(self, text: str) -> str:
        """Lower case without regard to place: Greek's final sigma is written as any other, as in Lucene."""
        return (text.translate(self._lower_first) if self._lower_first else text).lower().replace("ς", "σ")

    def terms(self, chunk: str) -> Iterator[str]:
        """The terms of a text already in lower case."""
        for match in self._token.finditer(chunk):
            if match.lastgroup == "unspaced":
                yield from self._pairs(match.group())
            elif (term := self._term(match.group())) is not None:
                yield term

    def spans(self, text: str) -> Iterator[Span]:
        for match in self._token.finditer(text):
            if match.lastgroup == "unspaced":
                yield from self._pair_spans(match.group(), match.start())
            elif (term := self._term(self.lower(match.group()))) is not None:
                yield Span(match.start(), match.end(), term)

    def _term(self, word: str) -> str | None:
        """The word's term; None for a stop word."""
        word = word[:LONGEST_TOKEN]
        if self._elision and (article := self._elision.match(word)):
            word = word[article.end() :]
        if self._has_possessive and word[-2:] in {"'s", "’s", "＇s"}:
            word = word[:-2]
        if not word or word in self._stop_words:
            return None
        return self._stem(word)

    def _pairs(self, run: str) -> list[str]:
        """Overlapping pairs of characters; a single one stays single."""
        return [span.term for span in self._pair_spans(run, 0)]

    def _pair_spans(self, run: str, offset: int) -> list[Span]:
        places = [(match.start(), match.end()) for match in self._character.finditer(run)]
        ends = places[1:] or places
        return [
            Span(offset + start, offset + end, self.lower(run[start:end]))
            for (start, _), (_, end) in zip(places, ends, strict=False)
        ]


class _Stem:
    """A Snowball stemmer that threads may share, or the identity for "none"."""

    def __init__(self, name: str) -> None:
        import Stemmer

        self._lock = Lock()
        self._stemmer = None if name == "none" else Stemmer.Stemmer(name, 0)
        self._is_porter = name == "porter"

    def __call__(self, word: str) -> str:
        if self._stemmer is None:
            return word
        if self._is_porter:
            if len(word) < 3:
                return word
            word = with_lucene_suffix(word)
        with self._lock:
            return str(self._stemmer.stemWord(word))


class _ChunkCache(dict[str, tuple[str, ...]]):
    """White-space separated chunk -> its terms. Few chunks make most of a text, so most are one look-up."""

    def __init__(self, steps: _Steps) -> None:
        super().__init__()
        self._steps = steps

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        terms = tuple(self._steps.terms(chunk))
        if len(chunk) <= LONGEST_CACHED:
            if len(self) >= CACHED_CHUNKS:
                self.clear()
            self[chunk] = terms
        return terms


def languages() -> list[str]:
    """The names that Analyzer knows."""
    import Stemmer

    algorithms = set(Stemmer.algorithms()) - {"porter", "dutch_porter"}
    return sorted(algorithms | UNSTEMMED)


def _known_language(language: str) -> str:
    if language not in languages():
        raise InvalidArgumentError(
            f"no analyzer for the language {language!r}; there are {', '.join(languages())}", field="language"
        )
    return language


def _stemmer_name(language: str, stemmer: str) -> str:
    import Stemmer

    if stemmer == "default":
        if language in UNSTEMMED:
            return "none"
        return "porter" if language == "english" else language
    if stemmer != "none" and stemmer not in Stemmer.algorithms():
        raise InvalidArgumentError(
            f"no stemmer {stemmer!r}; there are none, {', '.join(Stemmer.algorithms())}", field="stemmer"
        )
    return stemmer


def _stop_words(language: str, stop_words: str | Iterable[str]) -> frozenset[str]:
    if stop_words == "default":
        return stop_words_of(language)
    if stop_words == "none":
        return frozenset()
    if isinstance(stop_words, str):
        raise InvalidArgumentError(
            f'stop_words must be "default", "none" or a list of words, not {stop_words!r}', field="stop_words"
        )
    return frozenset(stop_words)


def _ids_of(bag: Counter[str], vocabulary: Vocabulary | GrowingVocabulary, adding: bool) -> list[int]:
    """The id of each of the bag's terms, in its order; -1 for one that is not there and not to be added."""
    terms = list(bag)
    if adding:
        if not isinstance(vocabulary, GrowingVocabulary):
            raise InvalidArgumentError("adding: only a GrowingVocabulary takes new terms", field="adding")
        ids: list[int] = vocabulary.ids_adding(terms).tolist()
        return ids
    found = (vocabulary.id_of(term) for term in terms)
    return [-1 if term_id is None else term_id for term_id in found]


def _term_counts(ids: Sequence[Sequence[int]], bags: Sequence[Counter[str]], adding: bool) -> TermCounts:
    """Rows of (id, count) in CSR form, ids ascending within a row."""
    sizes = np.fromiter(map(len, ids), np.int64, len(ids))
    terms = np.fromiter(chain.from_iterable(ids), np.int64, int(sizes.sum()))
    counts = np.fromiter(chain.from_iterable(bag.values() for bag in bags), np.uint32, len(terms))
    rows = np.repeat(np.arange(len(ids)), sizes)
    if not adding:
        known = terms >= 0
        terms, counts, rows = terms[known], counts[known], rows[known]
    order = np.lexsort((terms, rows))
    indptr = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(ids)), out=indptr[1:])
    lengths = np.bincount(rows, weights=counts, minlength=len(ids)).astype(np.uint32)
    return TermCounts(indptr, terms[order].astype(np.uint32), counts[order], lengths)
