"""Long documents cut into overlapping passages at sentence ends, Python source at definitions."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from lsr.encoders.base import TermSpan
from lsr.encoders.repeats import weights_by_term
from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors

# The end of a sentence: its mark, closing quotes and brackets, then white space; CJK marks need no space. A
# blank line ends one as well.
SENTENCE_END = re.compile(r"""[.!?…]+["'”’)\]]*\s+|[。！？]+[」』）]*|\n\s*\n""")
# Definitions of fewer lines stay with what stands before them (SEA's rule).
LEAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Splitting:
    """How texts are cut.

    length: tokens of a passage at most; overlap: tokens, at most, of whole sentences repeated from the passage
        before
    at: "sentences", or "definitions" of Python source (what is no Python is cut at sentences)
    """

    length: int
    overlap: int = 0
    at: Literal["sentences", "definitions"] = "sentences"

    def __post_init__(self) -> None:
        if self.length < 1:
            raise InvalidArgumentError(f"length must be at least 1, not {self.length}", field="length")
        if not 0 <= self.overlap < self.length:
            raise InvalidArgumentError(
                f"overlap must be at least 0 and below the length {self.length}, not {self.overlap}",
                field="overlap",
            )


def split(text: str, splitting: Splitting, spans: Callable[[str], list[TermSpan]]) -> list[str]:
    """The passages of a text in order, together all of it; a short text is its own only passage.

    spans: the tokens of a text with their places (an encoder's ``spans``).
    """
    ranges = passages(text, splitting, spans)
    return [text[start:end].strip() for start, end in ranges] if len(ranges) > 1 else [text]


def passages(text: str, splitting: Splitting, spans: Callable[[str], list[TermSpan]]) -> list[tuple[int, int]]:
    """The passages of ``split`` as character ranges, which cover the text."""
    starts = np.array([span.start for span in spans(text)], dtype=np.int64)
    if len(starts) <= splitting.length:
        return [(0, len(text))]
    pieces = definitions(text) if splitting.at == "definitions" else None
    pieces = pieces if pieces is not None else sentences(text)
    pieces = [part for piece in pieces for part in _at_most(piece, starts, splitting.length)]
    return _joined(pieces, starts, splitting)


def sentences(text: str) -> list[tuple[int, int]]:
    """Character ranges of the sentences, white space behind each included: they cover the text."""
    cuts = [0, *(found.end() for found in SENTENCE_END.finditer(text)), len(text)]
    return [(start, end) for start, end in pairwise(cuts) if end > start]


def definitions(source: str) -> list[tuple[int, int]] | None:
    """Character ranges between the beginnings of functions, classes and methods; None if it is no Python.

    A definition begins with its decorators. One of fewer than LEAST_LINES lines doesn't begin a range.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    line_starts = np.cumsum([0, *(len(line) for line in source.splitlines(keepends=True))])
    cuts = {0, len(source)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if (node.end_lineno or first) - first + 1 >= LEAST_LINES:
                cuts.add(int(line_starts[first - 1]))
    return [(start, end) for start, end in pairwise(sorted(cuts))]


def merge_passages(vectors: SparseVectors, document_of: Sequence[int], n_documents: int) -> SparseVectors:
    """One row a document: for each term its largest weight in any of the document's passages."""
    documents = np.repeat(np.asarray(document_of, np.int64), np.diff(vectors.indptr))
    return weights_by_term(
        documents,
        vectors.terms.astype(np.int64),
        vectors.weights,
        n_rows=n_documents,
        vocabulary_size=vectors.vocabulary_size,
        occurrences="max",
    )


def _tokens_in(start: int, end: int, starts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Tokens that begin in [start, end)."""
    first, last = np.searchsorted(starts, [start, end])
    return int(last - first)


def _at_most(
    piece: tuple[int, int], starts: np.ndarray[tuple[int], np.dtype[np.int64]], length: int
) -> list[tuple[int, int]]:
    """The piece, cut between tokens if it holds more than ``length`` of them."""
    first, last = (int(at) for at in np.searchsorted(starts, piece))
    if last - first <= length:
        return [piece]
    inner = [int(starts[at]) for at in range(first + length, last, length)]
    return list(pairwise([piece[0], *inner, piece[1]]))


def _joined(
    pieces: list[tuple[int, int]], starts: np.ndarray[tuple[int], np.dtype[np.int64]], splitting: Splitting
) -> list[tuple[int, int]]:
    """Neighbouring pieces joined while they fit; each passage begins with what the overlap repeats."""
    sizes = [_tokens_in(*piece, starts) for piece in pieces]
    passages = []
    first = 0
    while first < len(pieces):
        last, held = first + 1, sizes[first]
        while last < len(pieces) and held + sizes[last] <= splitting.length:
            held += sizes[last]
            last += 1
        passages.append((pieces[first][0], pieces[last - 1][1]))
        if last == len(pieces):
            break
        following, repeated = last, 0
        while following - 1 > first and repeated + sizes[following - 1] <= splitting.overlap:
            following -= 1
            repeated += sizes[following]
        fits = repeated + sizes[last] <= splitting.length
        first = following if fits else last
    return passages
