"""Small collections for the tests of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.writer import CollectionWriter

from lsr.vectors import SparseVectors, TermCounts
from lsr.vocabulary import GrowingVocabulary, Vocabulary

TERMS = Vocabulary([f"t{number}" for number in range(12)])


@dataclass(frozen=True)
class Doc:
    """A document by its vector and its words; the text is the words."""

    id: str
    vector: dict[int, float]
    words: str = ""
    metadata: dict[str, object] = field(default_factory=dict)


class Lab:
    """Writes and queries collections with an encoded field "learned" and a counted one "bm25"."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fields(self, *, b: float = 0.4, **learned: object) -> list[FieldSpec]:
        return [
            FieldSpec("learned", "encoded", TERMS, {"name": "toy", "identity": "abc"}, **learned),
            FieldSpec("bm25", "counted", None, {"name": "words"}, b=b),
        ]

    def create(self, docs: Sequence[Doc] = (), *, fields: dict[str, object] | None = None, **options) -> Path:
        with CollectionWriter.create(self.path, self.fields(**fields or {}), **options) as writer:
            self.add(writer, docs)
            writer.commit()
        return self.path

    def open(self, **options) -> CollectionWriter:
        return CollectionWriter.open(self.path, **options)

    def read(self, **options) -> Collection:
        return Collection.open(self.path, **options)

    @staticmethod
    def add(writer: CollectionWriter, docs: Sequence[Doc], **options) -> None:
        writer.add(
            [DocumentInput(doc.id, doc.words, f"title {doc.id}", doc.metadata) for doc in docs],
            {
                "learned": SparseVectors.from_id_dicts([doc.vector for doc in docs], len(TERMS)),
                "bm25": count([doc.words for doc in docs], writer.vocabulary("bm25"), adding=True),
            },
            **options,
        )

    @staticmethod
    def queries(collection: Collection, vectors: Sequence[dict[int, float]], words: Sequence[str] = ()):
        queries = {"learned": SparseVectors.from_id_dicts(vectors, len(TERMS))}
        if words:
            queries["bm25"] = count(words, collection.counting_vocabulary("bm25"), adding=False)
        return queries

    def answer(
        self, collection: Collection, vector: dict[int, float], words: str = "", k: int = 100, **options
    ):
        """[(id, score)] of one query."""
        queries = self.queries(collection, [vector], [words] if words else [])
        [hits] = collection.search(queries, k, **options)
        return list(zip(collection.ids(hits.numbers), hits.scores.tolist(), strict=True))


def count(texts: Sequence[str], vocabulary: GrowingVocabulary, *, adding: bool) -> TermCounts:
    """Words split at spaces."""
    bags = []
    for text in texts:
        words = [word for word in text.split() if adding or vocabulary.id_of(word) is not None]
        bags.append(vocabulary.ids_adding(words) if words else np.zeros(0, np.uint32))
    return TermCounts.from_bags(bags)


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """Nobody pulls the plug here; waiting for the disk is most of these tests' time otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "index")


@pytest.fixture(scope="session")
def doc() -> type[Doc]:
    return Doc


@pytest.fixture(scope="session")
def make_lab() -> Callable[[Path], Lab]:
    return Lab


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
