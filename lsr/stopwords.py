"""Words so common that a counted field leaves them out."""

from __future__ import annotations

# Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET.
ENGLISH = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these"
    " they this to was will with"
)

LISTS = {"english": ENGLISH}


def stop_words_of(language: str) -> frozenset[str]:
    """The language's list; empty for one that has none here."""
    return frozenset(LISTS.get(language, "").split())
