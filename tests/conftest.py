"""What tests of several folders share: a model small enough to check by hand, and an index made with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from lsr.encoders.base import EncoderInfo, EncodeStatistics, TermSpan
from lsr.vectors import SparseVectors, UInt32Array
from lsr.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.data.sample import Sample

    from lsr.pipeline import Pipeline

# Examples are not timed: a busy machine would fail a test that is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TERMS = ("read", "file", "line", "compress", "byte", "zip", "date", "parse", "time", "open")
EXPANSIONS = {"read": "open", "compress": "zip", "date": "time"}


class HandEncoder:
    """A term weighs 1 for each time it stands in the text; three of the ten bring in another, at 0.5."""

    def __init__(self, identity: str = "by hand", terms: Sequence[str] = TERMS) -> None:
        self.vocabulary = Vocabulary(terms)
        self.statistics = EncodeStatistics()
        self._identity = identity

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        self.statistics += EncodeStatistics(texts=len(texts))
        return SparseVectors.from_dicts([self._vector(text) for text in texts], self.vocabulary)

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self.encode_documents(texts)

    def spans(self, text: str) -> list[TermSpan]:
        places = ((match, self.vocabulary.id_of(match.group().lower())) for match in re.finditer(r"\w+", text))
        return [TermSpan(match.start(), match.end(), term) for match, term in places if term is not None]

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        """The first occurrence of the term, or of what brought it in."""
        first: dict[int, tuple[int, int]] = {}
        for span in self.spans(text):
            added = EXPANSIONS.get(self.vocabulary[span.term])
            for term in (span.term, self.vocabulary.id_of(added) if added is not None else None):
                if term is not None:
                    first.setdefault(term, (span.start, span.end))
        return [first.get(term) for term in terms.tolist()]

    def describe(self) -> EncoderInfo:
        return EncoderInfo(
            name="by-hand",
            identity=self._identity,
            method="table",
            document_length=0,
            query_length=0,
            licence="Apache-2.0",
            n_parameters=0,
            vocabulary_size=len(self.vocabulary),
            vocabulary_fingerprint=self.vocabulary.fingerprint,
            precision="float32",
            kernel="none",
        )

    def _vector(self, text: str) -> dict[str, float]:
        weights: dict[str, float] = {}
        for span in self.spans(text):
            term = self.vocabulary[span.term]
            weights[term] = weights.get(term, 0.0) + 1.0
        for term in list(weights):
            if (added := EXPANSIONS.get(term)) is not None:
                weights.setdefault(added, 0.5)
        return weights


@pytest.fixture(scope="session")
def hand_encoder() -> type[HandEncoder]:
    """The class, for tests that vary its identity or vocabulary."""
    return HandEncoder


@pytest.fixture(scope="session")
def small_documents() -> list[Document]:
    from lsr.data.documents import Document

    return [
        Document("read", "Read a file line by line.", "Reading files", {"kind": "howto"}),
        Document("zip/a b#1%", "To compress bytes, zip them: each byte counts."),
        Document("date", "Parse a date.", "Dates"),
        Document("empty", ""),
        Document("open", "open the file, open it now"),
    ]


@pytest.fixture(scope="session")
def build_index(hand_encoder: type[HandEncoder]) -> Callable[..., Pipeline]:
    """Build an index of documents with the hand-made model and BM25, and open it."""
    from lsr.indexer.collection import Collection

    from lsr.indexing import COUNTED, LEARNED, DocumentEncoder, IndexPlan, index_documents

    def build(path: Path, documents: Sequence[Document], **options: object) -> Pipeline:
        plan = IndexPlan("by-hand", {LEARNED: 1.0, COUNTED: 1.0})
        encoder = DocumentEncoder(plan, encoder=hand_encoder())
        index_documents(documents, path, encoder, **options)  # type: ignore[arg-type]
        return encoder.pipeline(Collection.open(path))

    return build


@pytest.fixture(scope="session")
def small_pipeline(
    tmp_path_factory: pytest.TempPathFactory,
    build_index: Callable[..., Pipeline],
    small_documents: Sequence[Document],
) -> Pipeline:
    """An index of five documents; tests must not change it."""
    return build_index(tmp_path_factory.mktemp("small") / "index", small_documents)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The built-in sample, built once: it takes some seconds."""
    from lsr.data.sample import build_sample

    return build_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def collection_folder() -> Callable[[str], Path]:
    """The folder of a test collection by its name; the test skips where there is none."""

    def find(name: str) -> Path:
        root = os.environ.get("LSR_COLLECTIONS")
        if not root:
            pytest.skip("LSR_COLLECTIONS does not name a folder with test collections")
        folder = Path(root) / name
        if not folder.is_dir():
            pytest.skip(f"no collection {name} in {root}")
        return folder

    return find
