"""How the fields of an index encode a query: a model's vectors, or an analyzer's term counts.

The pipeline asks both kinds the same two questions, so that no later stage has to know which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lsr.vectors import SparseVectors, TermCounts

if TYPE_CHECKING:
    from lsr.analysis import Analyzer
    from lsr.encoders.base import SparseEncoder
    from lsr.indexer.collection import Collection
    from lsr.indexer.fields import FieldInfo
    from lsr.indexer.writer import CollectionWriter
    from lsr.vocabulary import Vocabulary

QueryVectors = SparseVectors | TermCounts


def encoder_text(title: str, text: str) -> str:
    """What encoders and analyzers see of a document."""
    return f"{title} {text}".strip()


class Place(NamedTuple):
    """A term that stands in a text, at characters [start, end)."""

    start: int
    end: int
    term: int


class FieldEncoder(Protocol):
    """Texts of one field to what the index stores and searches with."""

    def at(self, collection: Collection) -> FieldEncoder:
        """The same for another generation of the index."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> QueryVectors: ...

    def encode_documents(self, texts: Sequence[str], writer: CollectionWriter) -> QueryVectors:
        """Rows to add with ``writer``; new counted terms go into its vocabulary."""
        ...

    def places(self, text: str) -> list[Place]:
        """The field's terms that stand in the text; every other term of its vector is an expansion."""
        ...


class EncodedField:
    """A field whose vectors a model makes."""

    def __init__(self, encoder: SparseEncoder) -> None:
        self.encoder = encoder

    def at(self, collection: Collection) -> EncodedField:  # noqa: ARG002 - a model is the same in every generation
        return self

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self.encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str], writer: CollectionWriter) -> SparseVectors:  # noqa: ARG002
        return self.encoder.encode_documents(texts)

    def places(self, text: str) -> list[Place]:
        return [Place(*span) for span in self.encoder.spans(text)]


class CountedField:
    """A field of term counts over the index's own vocabulary; terms it has not seen are left out."""

    def __init__(self, name: str, analyzer: Analyzer, vocabulary: Vocabulary) -> None:
        self._name = name
        self._analyzer = analyzer
        self._vocabulary = vocabulary

    def at(self, collection: Collection) -> CountedField:
        return CountedField(self._name, self._analyzer, collection.vocabulary(self._name))

    def encode_queries(self, texts: Sequence[str]) -> TermCounts:
        return self._analyzer.count(texts, self._vocabulary, adding=False)

    def encode_documents(self, texts: Sequence[str], writer: CollectionWriter) -> TermCounts:
        return self._analyzer.count(texts, writer.vocabulary(self._name), adding=True)

    def places(self, text: str) -> list[Place]:
        found = ((span, self._vocabulary.id_of(span.term)) for span in self._analyzer.spans(text))
        return [Place(span.start, span.end, term) for span, term in found if term is not None]


def open_fields(
    collection: Collection,
    names: Sequence[str],
    *,
    model: str | None = None,
    encoder: SparseEncoder | None = None,
    threads: int | None = None,
    memory: int | None = None,
) -> dict[str, FieldEncoder]:
    """The encoders of these fields.

    model:   load this one in place of the model that the index names
    encoder: use this one and load none
    threads, memory: of a model that is loaded; None leaves it to the model
    A field whose vectors were imported has no model on record; it is left out and takes weighted terms only.
    Raises ModelMismatchError unless a model makes the very vectors that the index holds.
    """

    def load(recorded: Mapping[str, object]) -> SparseEncoder:
        return encoder if encoder is not None else _load(recorded, model, threads=threads, memory=memory)

    with_model = [name for name in names if _has_model(collection.field(name))]
    return {name: _open_field(collection, name, load) for name in with_model}


def _has_model(info: FieldInfo) -> bool:
    return info.kind == "counted" or "identity" in info.encoder


def _open_field(
    collection: Collection, name: str, load: Callable[[Mapping[str, object]], SparseEncoder]
) -> FieldEncoder:
    info = collection.field(name)
    if info.kind == "counted":
        from lsr.analysis import Analyzer

        return CountedField(name, Analyzer.from_settings(info.encoder), collection.vocabulary(name))
    used = load(info.encoder)
    collection.require_encoder(name, used.describe().to_json(), used.vocabulary)
    return EncodedField(used)


def _load(
    recorded: Mapping[str, object], model: str | None, *, threads: int | None, memory: int | None
) -> SparseEncoder:
    """The model that made a field, with the text lengths it was made with."""
    from lsr.encoders.loading import load_encoder

    return load_encoder(
        model or str(recorded["name"]),
        threads=threads,
        memory=memory,
        document_length=_length(recorded, "document_length"),
        query_length=_length(recorded, "query_length"),
    )


def _length(recorded: Mapping[str, object], side: str) -> int | None:
    """A text length as the index was built with; 0 stands for none, which is the model's own affair."""
    value = recorded.get(side)
    return value if isinstance(value, int) and value > 0 else None
