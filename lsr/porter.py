"""The two rules by which Lucene's Porter stemmer departs from the paper, which Snowball's follows.

Porter's own implementations, and Lucene's after them, have in step 2 ``bli -> ble`` where the paper has
``abli -> able``, and add ``logi -> log``. Both are brought about here before the word goes to Snowball's
stemmer: steps 1 and 2 leave ``…ble`` and ``…log`` alone, so the steps that follow see what Lucene's would.
"""

from __future__ import annotations

_RULES = (("bly", "ble"), ("bli", "ble"), ("blies", "ble"), ("logy", "log"), ("logi", "log"), ("logies", "log"))


def with_lucene_suffix(word: str) -> str:
    """``word`` with step 2's two departures already made; most words come back as they are."""
    if word[-1] not in "yis":
        return word
    for suffix, replacement in _RULES:
        if word.endswith(suffix) and _has_measure(word[: -len(suffix)]):
            return word[: -len(suffix)] + replacement
    return word


def _has_measure(stem: str) -> bool:
    """Whether Porter's m is above 0: a vowel somewhere, and a consonant somewhere after it.

    A ``y`` is a vowel after a consonant and a consonant elsewhere.
    """
    vowel_before = False
    consonant = False  # whether the character before is one; at the start of a word y is a consonant
    for index, letter in enumerate(stem):
        consonant = letter not in "aeiouy" or (letter == "y" and (index == 0 or not consonant))
        if consonant and vowel_before:
            return True
        vowel_before = vowel_before or not consonant
    return False
