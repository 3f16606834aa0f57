"""Vectors to measure engines on: real ones made by the product's encoder and kept, and mixtures of them."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.data.beir import BeirDataset, corpus_file
from lsr.data.readers import read_documents

from lsr.encoders.loading import load_encoder
from lsr.vectors import SparseVectors

logger = logging.getLogger(__name__)

ENCODER = "splade-tiny"
CHUNK = 4096  # documents encoded, or mixed, at a time
LOSS = 0.3  # a mixed document loses each term with this probability and borrows as many
JITTER = 0.1  # and each of its weights is multiplied by 1 ± this
NEIGHBOURHOOD = 200  # it borrows from one of this many real documents of about its own length


@dataclass(frozen=True)
class Documents:
    """A collection's vectors as the engines read them; terms in 16 bits. May be memory-mapped."""

    name: str
    indptr: npt.NDArray[np.int64]
    terms: npt.NDArray[np.uint16]
    weights: npt.NDArray[np.float32]
    vocabulary_size: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def in_memory(self) -> Documents:
        """The same, copied out of whatever it was mapped from."""
        return replace(self, terms=np.array(self.terms), weights=np.array(self.weights))

    @property
    def nnz(self) -> int:
        return int(self.indptr[-1])


def documents_of(name: str, collections: Path, cache: Path) -> Documents:
    """A set by its name: a collection, or ``collection:n`` for n documents mixed from it."""
    collection, _, n = name.partition(":")
    real = real_documents(collections, collection, cache)
    return mixed_documents(real, int(n), cache) if n else real


def queries_of(
    name: str, collections: Path, cache: Path, *, extra: int
) -> list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]]:
    """The queries of the collection in a set's name, as (terms, weights)."""
    vectors = real_queries(collections, name.partition(":")[0], cache, extra=extra)
    return [vectors.row(at) for at in range(len(vectors))]


def real_documents(collections: Path, name: str, cache: Path) -> Documents:
    """The collection's documents, encoded once and kept in `cache`."""
    vectors = _cached(cache / f"{name}-documents.npz", lambda: _encode_documents(collections / name))
    return Documents(
        name, vectors.indptr, vectors.terms.astype(np.uint16), vectors.weights, vectors.vocabulary_size
    )


def real_queries(collections: Path, name: str, cache: Path, *, extra: int) -> SparseVectors:
    """The collection's queries, and `extra` real questions of MS MARCO users beside them.

    wiki-lead has none of its own: its queries are the test claims of wiki-fever, which was made over it.
    """
    if name == "wiki-lead":
        return _cached(cache / "wiki-fever-test-queries.npz", lambda: _encode_claims(collections))
    own = _cached(
        cache / f"{name}-queries.npz",
        lambda: load_encoder(ENCODER).encode_queries(
            [query.text for query in BeirDataset.open(collections / name).queries]
        ),
    )
    questions = _cached(
        cache / f"msmarco-{extra}-queries.npz",
        lambda: load_encoder(ENCODER).encode_queries(_questions(collections, extra)),
    )
    return SparseVectors.concatenate([own, questions])


def _encode_claims(collections: Path) -> SparseVectors:
    claims = BeirDataset.open(
        collections / "wiki-fever", split="test", corpus=corpus_file(collections / "wiki-lead")
    )
    return load_encoder(ENCODER).encode_queries([query.text for query in claims.queries])


def _cached(path: Path, encode: Callable[[], SparseVectors]) -> SparseVectors:
    if not path.exists():
        logger.info("encoding %s", path.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        encode().save(path)
    return SparseVectors.load(path)


def _encode_documents(folder: Path) -> SparseVectors:
    encoder = load_encoder(ENCODER)
    texts = [document.encoder_text() for document in read_documents(corpus_file(folder))]
    parts = [encoder.encode_documents(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
    return SparseVectors.concatenate(parts)


def _questions(collections: Path, n: int) -> list[str]:
    with gzip.open(collections / "questions.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = (json.loads(line) for line in lines)
        return [
            record["q"]
            for record, _ in zip((r for r in records if r["src"] == "msmarco"), range(n), strict=False)
        ]


def mixed_documents(real: Documents, n: int, cache: Path, *, seed: int = 8) -> Documents:
    """n synthetic documents: each a random real one that loses every term with probability LOSS and borrows as
    many from another of similar length, with weights jittered.

    Term frequencies stay those of the real collection, but there is no topical order and every real document
    has many relatives, so scores crowd round the k-th more than in a real collection of this size.
    The arrays are memory-mapped from `cache`.
    """
    folder = cache / f"{real.name}-mixed-{n}"
    if not (folder / "done").exists():
        logger.info("mixing %d documents from %s", n, real.name)
        folder.mkdir(parents=True, exist_ok=True)
        _write_mixture(real, n, folder, np.random.default_rng(seed))
        (folder / "done").touch()
    indptr = np.load(folder / "indptr.npy", allow_pickle=False)
    terms = np.memmap(folder / "terms.u16", np.uint16, "r", shape=(int(indptr[-1]),))
    weights = np.memmap(folder / "weights.f32", np.float32, "r", shape=(int(indptr[-1]),))
    return Documents(folder.name, indptr, terms, weights, real.vocabulary_size)


def _write_mixture(real: Documents, n: int, folder: Path, rng: np.random.Generator) -> None:
    lengths = [np.zeros(1, np.int64)]
    with (folder / "terms.u16").open("wb") as terms, (folder / "weights.f32").open("wb") as weights:
        for sizes, chunk_terms, chunk_weights in _mixture(real, n, rng):
            lengths.append(sizes)
            chunk_terms.tofile(terms)
            chunk_weights.tofile(weights)
    np.save(folder / "indptr.npy", np.cumsum(np.concatenate(lengths)))


Chunk = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.float32]]


def _mixture(real: Documents, n: int, rng: np.random.Generator) -> Iterator[Chunk]:
    sizes = np.diff(real.indptr)
    by_size = np.argsort(sizes, kind="stable")
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(by_size))
    for begin in range(0, n, CHUNK):
        first = rng.integers(0, len(real), min(CHUNK, n - begin))
        step = rng.integers(1, NEIGHBOURHOOD, len(first))
        second = by_size[(rank[first] + step) % len(real)]
        keep = 1.0 - LOSS
        borrowed = LOSS * sizes[first] / np.maximum(sizes[second], 1)
        yield _merge(real, (first, np.full(len(first), keep)), (second, borrowed), rng=rng)


def _merge(
    real: Documents, *sources: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], rng: np.random.Generator
) -> Chunk:
    """Rows made of a share of each source's postings; where both have a term, the first one's counts."""
    rows, positions = [], []
    for chosen, share in sources:
        counts = real.indptr[chosen + 1] - real.indptr[chosen]
        row = np.repeat(np.arange(len(chosen)), counts)
        starts = np.repeat(real.indptr[chosen] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        taken = rng.random(len(row)) < np.repeat(share, counts)
        rows.append(row[taken])
        positions.append((starts + np.arange(len(row)))[taken])
    position = np.concatenate(positions)
    key = np.concatenate(rows) * real.vocabulary_size + real.terms[position]
    distinct, at = np.unique(key, return_index=True)
    weights = real.weights[position[at]] * rng.uniform(1 - JITTER, 1 + JITTER, len(at))
    counts = np.bincount(distinct // real.vocabulary_size, minlength=len(sources[0][0]))
    return counts, (distinct % real.vocabulary_size).astype(np.uint16), weights.astype(np.float32)
