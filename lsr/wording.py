"""Numbers and their nouns in messages."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 document``, ``4,931 documents``. plural: where it is more than an s behind the noun"""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def were(number: int) -> str:
    return "was" if number == 1 else "were"
