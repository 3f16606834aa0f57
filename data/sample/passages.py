"""A long documentation string as passages that an encoder sees whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LONGEST = 1000
"""Characters; about 250 word pieces, where splade-tiny cuts at 256."""


def passages(text: str) -> list[str]:
    """``text`` cut between paragraphs, so that none is longer than LONGEST.

    A paragraph that is longer by itself is cut between lines, and a line between words.
    """
    return list(_joined(_fitting(re.split(r"\n\s*\n", text), "\n"), "\n\n"))


def _fitting(pieces: Iterable[str], separator: str) -> Iterator[str]:
    for piece in pieces:
        if len(piece) <= LONGEST:
            yield piece
        elif separator == "\n":
            yield from _joined(_fitting(piece.split("\n"), " "), "\n")
        else:
            yield from _joined((word[:LONGEST] for word in piece.split()), " ")


def _joined(pieces: Iterable[str], separator: str) -> Iterator[str]:
    """Neighbours put together again as long as they fit."""
    held = ""
    for piece in pieces:
        longer = f"{held}{separator}{piece}" if held else piece
        if held and len(longer) > LONGEST:
            yield held
            held = piece
        else:
            held = longer
    if held:
        yield held
