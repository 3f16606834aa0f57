"""Small collections for the scorer, and what it must answer: plain Python over dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from lsr.indexer.kernels import FieldView, Searcher, SegmentView, build_lists

Vector = Mapping[int, float]
Documents = Sequence[Sequence[Vector]]  # documents[d][f]: the vector of document d in field f
Query = Mapping[tuple[int, int], float]  # (field, term) -> weight


@dataclass(frozen=True)
class Collection:
    """Segments of documents, with the oracle beside the searcher."""

    segments: Sequence[Documents]
    n_fields: int
    live: Sequence[np.ndarray | None]
    searcher: Searcher
    views: Sequence[SegmentView] = field(default_factory=list)

    def brute_force(self, query: Query, k: int, allowed: set[int] | None = None) -> list[tuple[int, float]]:
        """The k best (row, score), by the definition: float64, ascending (field, term)."""
        hits = []
        row = 0
        for documents, live in zip(self.segments, self.live, strict=True):
            for position, vectors in enumerate(documents):
                alive = live is None or bool(live[position // 64] >> np.uint64(position % 64) & np.uint64(1))
                common = [key for key in sorted(query) if key[1] in vectors[key[0]]]
                if alive and common and (allowed is None or row in allowed):
                    score = 0.0
                    for f, term in common:
                        score += float(np.float32(query[f, term])) * float(np.float32(vectors[f][term]))
                    hits.append((row, score))
                row += 1
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]


def field_view(
    vectors: Sequence[Vector], n_terms: int, *, term_type: type = np.uint32, weight_type: type = np.float32
) -> FieldView:
    indptr = np.cumsum([0] + [len(vector) for vector in vectors]).astype(np.int64)
    pairs = [pair for vector in vectors for pair in sorted(vector.items())]
    terms = np.array([term for term, _ in pairs], dtype=term_type)
    weights = np.array([weight for _, weight in pairs], dtype=weight_type)
    return FieldView(indptr, terms, weights, build_lists(indptr, terms, weights, n_terms=n_terms))


def bitmap(n: int, members: set[int]) -> np.ndarray:
    words = np.zeros((n + 63) // 64, np.uint64)
    for member in members:
        words[member // 64] |= np.uint64(1) << np.uint64(member % 64)
    return words


def query_arrays(query: Query) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    keys = sorted(query)
    return (
        np.array([f for f, _ in keys], np.uint32),
        np.array([term for _, term in keys], np.uint32),
        np.array([query[key] for key in keys], np.float32),
    )


def make_collection(
    segments: Sequence[Documents],
    *,
    n_fields: int = 1,
    n_terms: int = 30,
    dead: set[int] = frozenset(),  # type: ignore[assignment]
    isa: str = "",
    term_type: type = np.uint32,
    weight_type: type = np.float32,
) -> Collection:
    views = [
        SegmentView(
            len(documents),
            [
                field_view(
                    [vectors[f] for vectors in documents], n_terms, term_type=term_type, weight_type=weight_type
                )
                for f in range(n_fields)
            ],
        )
        for documents in segments
    ]
    live: list[np.ndarray | None] = []
    base = 0
    for documents in segments:
        alive = {at for at in range(len(documents)) if base + at not in dead}
        live.append(bitmap(len(documents), alive) if dead else None)
        base += len(documents)
    return Collection(segments, n_fields, live, Searcher(views, live, isa=isa), views)


@pytest.fixture(scope="session")
def collection_of() -> Callable[..., Collection]:
    return make_collection


@pytest.fixture(scope="session")
def as_arrays() -> Callable[[Query], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return query_arrays


@pytest.fixture(scope="session")
def as_bitmap() -> Callable[[int, set[int]], np.ndarray]:
    return bitmap


def levels() -> list[str]:
    from lsr.indexer.kernels import supported_isa

    known = ["scalar", "avx2", "avx512"]
    return known[: known.index(supported_isa()) + 1]


@pytest.fixture(params=levels(), scope="session")
def isa(request: pytest.FixtureRequest) -> str:
    """Each instruction set of this processor in turn."""
    return str(request.param)
