"""Terms as people read them: words, not the marks that tokenizers put on their pieces.

Three families mark pieces: WordPiece writes ``##`` before a continuation, SentencePiece ``▁`` before a word's
beginning, byte-level BPE ``Ġ`` for a space and stand-in characters for bytes. Which one a vocabulary belongs to
shows in the vocabulary itself, so an index can show its terms without its model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["wordpiece", "sentencepiece", "byte-level", "words"]

MARKS: dict[Kind, str] = {"wordpiece": "##", "sentencepiece": "▁", "byte-level": "Ġ"}
# A vocabulary of whole words may hold a few terms that begin with a mark; a tokenizer's holds many.
LEAST_SHARE = 0.01
SPACE = "␣"


@dataclass(frozen=True, slots=True)
class TermDisplay:
    """Call it with a term to get the form to show."""

    kind: Kind

    @classmethod
    def of(cls, terms: Iterable[str]) -> TermDisplay:
        counts: dict[Kind, int] = dict.fromkeys(MARKS, 0)
        total = 0
        for term in terms:
            total += 1
            for kind, mark in MARKS.items():
                counts[kind] += term.startswith(mark)
        best = max(counts, key=lambda kind: counts[kind])
        return cls(best if counts[best] > LEAST_SHARE * total else "words")

    def __call__(self, term: str) -> str:
        """Never empty: a piece that is white space alone is shown as ``␣``."""
        if self.kind == "words":
            return term
        shown = _decode_bytes(term) if self.kind == "byte-level" else term.removeprefix(MARKS[self.kind])
        return shown.replace("▁", " ").strip() or SPACE


def _decode_bytes(term: str) -> str:
    """The text of a byte-level piece. Bytes that are no whole character are written as ``\\xe6``."""
    bytes_of = _byte_of_character()
    if any(character not in bytes_of for character in term):  # an added token such as <|endoftext|>
        return term
    return bytes(bytes_of[character] for character in term).decode("utf-8", errors="backslashreplace")


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """GPT-2's table: printable Latin-1 bytes stand for themselves, the others for characters from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}
