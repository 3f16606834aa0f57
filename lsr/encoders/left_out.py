"""Terms that a method gives no weight to, whatever its model says: special tokens, stop words, signs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lsr.encoders.composition import LeftOut
from lsr.stopwords import NLTK_ENGLISH
from lsr.vectors import UInt32Array

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# TILDE keeps question words, which its queries are full of.
KEPT = frozenset({"where", "how", "what", "when", "which", "why", "who"})
STOP_WORDS = frozenset(NLTK_ENGLISH.split()) - KEPT
CONTINUATION = re.compile(r"#.+")
PLAIN = re.compile(r"[A-Za-z0-9_-]*")
PLURAL = "##s"


def left_out_terms(what: LeftOut | None, tokenizer: Tokenizer) -> UInt32Array:
    """Ids in ascending order; none for None.

    special: what the tokenizer's settings call special: [CLS], [UNK], <s> and their like (BGE-M3, OpenSearch)
    stop: these, English stop words that are one token, and tokens with signs in them; pieces that continue a
        word stay, but for the plural's (TILDE and TILDEv2: tools.py, https://github.com/ielab/TILDE)
    """
    if what is None:
        return np.zeros(0, np.uint32)
    ids = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    if what == "stop":
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        ids |= {index for term, index in vocabulary.items() if _is_stop_term(term)}
    return np.array(sorted(ids), np.uint32)


def _is_stop_term(term: str) -> bool:
    if term in STOP_WORDS or term == PLURAL:
        return True
    return CONTINUATION.fullmatch(term) is None and PLAIN.fullmatch(term) is None
