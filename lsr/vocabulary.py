"""Terms as strings, in the order of their ids.

Two kinds, because two kinds of field exist. A model's vocabulary is fixed: it comes with the model and never
changes, so its fingerprint names it. A counted field's (BM25) grows with the documents: it belongs to the index
and is append-only, so an id once given keeps its meaning in every later generation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lsr.errors import InvalidArgumentError


class Vocabulary:
    """An immutable, ordered set of terms. Term ids are positions, 0 to ``len(self) - 1``."""

    def __init__(self, terms: Iterable[str]) -> None:
        """Raises InvalidArgumentError if a term occurs twice."""
        self._terms = tuple(terms)
        self._ids = {term: index for index, term in enumerate(self._terms)}
        if len(self._ids) != len(self._terms):
            twice = next(term for at, term in enumerate(self._terms) if self._ids[term] != at)
            raise InvalidArgumentError(f"vocabulary: the term {twice!r} occurs twice; terms must be distinct")

    def __len__(self) -> int:
        return len(self._terms)

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def __getitem__(self, term_id: int) -> str:
        return self._terms[term_id]

    def __contains__(self, term: object) -> bool:
        return term in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self._terms == other._terms

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} terms, {self.fingerprint[:12]})"

    @property
    def terms(self) -> tuple[str, ...]:
        return self._terms

    def id_of(self, term: str) -> int | None:
        """The term's id, or None if the vocabulary does not hold it."""
        return self._ids.get(term)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the length-prefixed UTF-8 terms.

        The prefix keeps ``["ab", "c"]`` and ``["a", "bc"]`` apart; the order counts, because ids are positions.
        """
        digest = hashlib.sha256()
        for term in self._terms:
            encoded = term.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(4, "little"))
            digest.update(encoded)
        return digest.hexdigest()


class GrowingVocabulary:
    """An append-only vocabulary: looking up an unseen term while indexing gives it the next id."""

    def __init__(self, terms: Iterable[str] = ()) -> None:
        self._terms = list(terms)
        self._ids = {term: index for index, term in enumerate(self._terms)}
        if len(self._ids) != len(self._terms):
            raise InvalidArgumentError("vocabulary: a term occurs twice; terms must be distinct")

    def __len__(self) -> int:
        return len(self._terms)

    def __getitem__(self, term_id: int) -> str:
        return self._terms[term_id]

    @property
    def terms(self) -> Sequence[str]:
        return self._terms

    def id_of(self, term: str) -> int | None:
        return self._ids.get(term)

    def ids_adding(self, terms: Sequence[str]) -> npt.NDArray[np.uint32]:
        """Ids of ``terms``, shape (len(terms),), giving unseen ones the next free id."""
        ids = self._ids
        for term in terms:
            if term not in ids:
                ids[term] = len(self._terms)
                self._terms.append(term)
        return np.fromiter((ids[term] for term in terms), dtype=np.uint32, count=len(terms))
