"""Texts expanded beforehand: DeepImpact, uniCOIL and TILDEv2 weigh the tokens of a text and of its expansion.

An expansion is a field of the document's metadata, made elsewhere (docT5query) or by ``tilde_expansion``. An
encoder that reads one names the field in its ``EncoderInfo``; documents without it are encoded as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lsr.encoders.base import EncoderInfo, SparseEncoder
from lsr.encoders.display import TermDisplay

if TYPE_CHECKING:
    from lsr.indexer.documents import DocumentLike


def encoder_text(title: str, text: str) -> str:
    """What encoders and analyzers see of a document."""
    return f"{title} {text}".strip()


def document_text(document: DocumentLike, info: EncoderInfo) -> str:
    """What the encoder reads of a document: its text, and behind it the expansion that the encoder asks for.

    A list of strings is joined with spaces.
    """
    text = encoder_text(document.title, document.text)
    expansion = document.metadata.get(info.expansion_field) if info.expansion_field else None
    if isinstance(expansion, list | tuple):
        expansion = " ".join(map(str, expansion))
    return f"{text} {expansion}".strip() if expansion else text


def tilde_expansion(
    encoder: SparseEncoder, texts: Sequence[str], *, k: int = 200, leave_out: Collection[int] = ()
) -> list[str]:
    """The k likeliest terms of each text that do not stand in it, best first, as words in one string.

    encoder: method "tilde", which gives stop words and special tokens no weight; leave_out: further term ids
        that are never taken
    Pieces that only continue a word are not taken: written down alone they would be read as something else.
    Source: https://github.com/ielab/TILDE, whose k is 200 and counts what is then left out, so it gives fewer
    """
    show, written = TermDisplay.of(encoder.vocabulary), dict[int, str]()

    def word_of(term: int) -> str:
        """The word that is read as this term and nothing else; empty if there is none."""
        if term not in written:
            shown = show(encoder.vocabulary[term])
            written[term] = shown if [span.term for span in encoder.spans(shown)] == [term] else ""
        return written[term]

    vectors = encoder.encode_documents(texts)
    expansions = []
    for at, text in enumerate(texts):
        terms, weights = vectors.row(at)
        unwanted = {span.term for span in encoder.spans(text)} | set(leave_out)
        best_first = terms[np.lexsort((terms, -weights))].tolist()
        words = (word_of(term) for term in best_first if term not in unwanted)
        expansions.append(" ".join(islice(filter(None, words), k)))
    return expansions
