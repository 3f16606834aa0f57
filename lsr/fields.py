"""How the fields of an index encode a query: a model's vectors, or an analyzer's term counts.

The pipeline asks both kinds the same two questions, so that no later stage has to know which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from lsr.encoders.expansion import document_text, encoder_text
from lsr.errors import ModelMismatchError, ModelNotFoundError
from lsr.models import check_transform, lost_folder, model_of, options_of
from lsr.passages import PassageCutter, cutter_for
from lsr.requests import SourceWord
from lsr.vectors import SparseVectors, TermCounts, UInt32Array

if TYPE_CHECKING:
    from pathlib import Path

    from lsr.analysis import Analyzer
    from lsr.encoders.base import SparseEncoder
    from lsr.encoders.prepared import TextTransform
    from lsr.indexer.collection import Collection
    from lsr.indexer.documents import DocumentLike
    from lsr.indexer.fields import FieldInfo, QueryTable
    from lsr.indexer.writer import CollectionWriter
    from lsr.vocabulary import Vocabulary

QueryVectors = SparseVectors | TermCounts


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

    def encode_documents(self, documents: Sequence[DocumentLike], writer: CollectionWriter) -> QueryVectors:
        """Rows to add with ``writer``; new counted terms go into its vocabulary."""
        ...

    def places(self, text: str) -> list[Place]:
        """The field's terms that stand in the text; every other term of its vector is an expansion."""
        ...

    def sources(self, document: DocumentLike, terms: UInt32Array) -> list[SourceWord | None]:
        """The word of the document that gave each term of its vector its weight, where there is one."""
        ...


class EncodedField:
    """A field whose vectors a model makes."""

    def __init__(self, encoder: SparseEncoder) -> None:
        self.encoder = encoder

    def at(self, collection: Collection) -> EncodedField:  # noqa: ARG002 - a model is the same in every generation
        return self

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self.encoder.encode_queries(texts)

    def encode_documents(
        self,
        documents: Sequence[DocumentLike],
        writer: CollectionWriter,  # noqa: ARG002
    ) -> SparseVectors:
        info = self.encoder.describe()
        return self.encoder.encode_documents([document_text(each, info) for each in documents])

    def places(self, text: str) -> list[Place]:
        return [Place(*span) for span in self.encoder.spans(text)]

    def sources(self, document: DocumentLike, terms: UInt32Array) -> list[SourceWord | None]:
        text = document_text(document, self.encoder.describe())
        return [_word_at(document, found) for found in self.encoder.sources(text, terms)]


class CountedField:
    """A field of term counts over the index's own vocabulary; terms it has not seen are left out."""

    def __init__(
        self,
        name: str,
        analyzer: Analyzer,
        vocabulary: Vocabulary,
        transform: Callable[[Sequence[str]], Sequence[str]] | None = None,
    ) -> None:
        """transform: changes documents and queries before they are counted."""
        self._name = name
        self._analyzer = analyzer
        self._vocabulary = vocabulary
        self._transform = transform

    def at(self, collection: Collection) -> CountedField:
        return CountedField(self._name, self._analyzer, collection.vocabulary(self._name), self._transform)

    def encode_queries(self, texts: Sequence[str]) -> TermCounts:
        changed = self._transform(texts) if self._transform is not None else texts
        return self._analyzer.count(changed, self._vocabulary, adding=False)

    def encode_documents(self, documents: Sequence[DocumentLike], writer: CollectionWriter) -> TermCounts:
        texts: Sequence[str] = [encoder_text(each.title, each.text) for each in documents]
        if self._transform is not None:
            texts = self._transform(texts)
        return self._analyzer.count(texts, writer.vocabulary(self._name), adding=True)

    def places(self, text: str) -> list[Place]:
        found = ((span, self._vocabulary.id_of(span.term)) for span in self._analyzer.spans(text))
        return [Place(span.start, span.end, term) for span, term in found if term is not None]

    def sources(self, document: DocumentLike, terms: UInt32Array) -> list[SourceWord | None]:
        """The first word of each stem."""
        first: dict[int, SourceWord] = {}
        parts: tuple[Literal["title", "text"], ...] = ("title", "text")
        for part in parts:
            text = document.title if part == "title" else document.text
            for place in self.places(text):
                word = SourceWord(part, place.start, place.end, text[place.start : place.end])
                first.setdefault(place.term, word)
        return [first.get(term) for term in terms.tolist()]


def _word_at(document: DocumentLike, found: tuple[int, int] | None) -> SourceWord | None:
    """From a place in the encoder's text, which is title and text with a space between, to one in either."""
    if found is None:
        return None
    joined = f"{document.title} {document.text}"
    shift = len(joined) - len(joined.lstrip())
    start, end = found[0] + shift, found[1] + shift
    part: Literal["title", "text"] = "title" if start < len(document.title) else "text"
    whole = document.title if part == "title" else document.text
    before = 0 if part == "title" else len(document.title) + 1
    if end - before > len(whole):  # of the expansion that was read behind the text
        return None
    return SourceWord(part, start - before, end - before, whole[start - before : end - before])


@dataclass(frozen=True, slots=True)
class Opening:
    """How the models of an index are found and run, where the index alone does not say it (``open_fields``)."""

    model: str | None = None
    queries: str | None = None
    transform: str | None = None
    device: str = "cpu"
    threads: int | None = None

    def fields(self, collection: Collection, names: Sequence[str]) -> dict[str, FieldEncoder]:
        return open_fields(
            collection,
            names,
            model=self.model,
            queries=self.queries,
            transform=self.transform,
            device=self.device,
            threads=self.threads,
        )


def open_fields(
    collection: Collection,
    names: Sequence[str],
    *,
    model: str | None = None,
    queries: str | None = None,
    transform: str | None = None,
    encoder: SparseEncoder | None = None,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
) -> dict[str, FieldEncoder]:
    """The encoders of these fields.

    model, queries: load these in place of what the index names
    transform: the function that the index's documents were changed by; it never runs without being named here
    encoder: use this one and load none
    threads, memory: of a model that is loaded; None leaves it to the model
    A field whose vectors were imported has no model on record; it is left out and takes weighted terms only.
    Raises ModelMismatchError unless a model makes the very vectors that the index holds.
    """
    changing = _transform(collection, transform)
    if (model or queries) is not None and all(info.kind == "counted" for info in collection.fields):
        raise ModelMismatchError(
            f"{collection.path}: its documents were indexed without a model, by their terms alone, so queries"
            f" need none either. Leave {model or queries} out, or index the documents with it."
        )

    def load(info: FieldInfo) -> SparseEncoder:
        if encoder is not None:
            return encoder
        return _load(
            info.encoder,
            model,
            queries,
            kept=collection.query_table(info.name),
            index=collection.path,
            device=device,
            threads=threads,
            memory=memory,
        )

    with_model = [name for name in names if _has_model(collection.field(name))]
    return {name: _open_field(collection, name, load, changing) for name in with_model}


def _transform(collection: Collection, given: str | None) -> TextTransform | None:
    """What changes texts for all fields of the index. Raises ModelMismatchError if something else is given."""
    facts = [info.encoder for info in collection.fields if info.kind == "encoded"]
    recorded = next((each for each in facts if each.get("transform")), {})
    check_transform(recorded, given, str(collection.path))
    if given is None:
        return None
    from lsr.encoders.prepared import TextTransform

    return TextTransform.load(given)


def _has_model(info: FieldInfo) -> bool:
    return info.kind == "counted" or "identity" in info.encoder


def _open_field(
    collection: Collection,
    name: str,
    load: Callable[[FieldInfo], SparseEncoder],
    transform: TextTransform | None,
) -> FieldEncoder:
    info = collection.field(name)
    if info.kind == "counted":
        from lsr.analysis import Analyzer

        return CountedField(name, Analyzer.from_settings(info.encoder), collection.vocabulary(name), transform)
    used = load(info)
    try:
        collection.require_encoder(name, used.describe().to_json(), used.vocabulary)
    except ModelMismatchError as error:
        if (folder := lost_folder(info.encoder)) is None:
            raise
        raise ModelMismatchError(
            f"{error} It was made with the model {folder}, which is not there any more; if it was moved, say"
            " where it is now with `--model`."
        ) from error
    return EncodedField(used)


def _load(
    recorded: Mapping[str, object],
    model: str | None,
    queries: str | None,
    *,
    kept: QueryTable | None,
    index: Path,
    device: str,
    threads: int | None,
    memory: int | None,
) -> SparseEncoder:
    """The model that made a field, used as it was then.

    kept: the table of query weights that the index holds
    """
    options = options_of(recorded)
    if queries is not None:
        options, kept = replace(options, queries=queries), None
    where = model or model_of(recorded)
    try:
        return options.load(where, device=device, threads=threads, memory=memory, query_table=kept)
    except ModelNotFoundError as error:
        if model is not None:
            raise
        asked = options.queries if kept is None and queries is None else None
        queries_by = f" with queries by {asked}" if asked is not None else ""
        raise ModelNotFoundError(
            f"{index}: was made with the model {recorded.get('model')}{queries_by}. {error}"
            " If something was moved, say where it is now with `--model` or `--queries`."
        ) from error


def cutter_of(collection: Collection, encoders: Mapping[str, FieldEncoder]) -> PassageCutter | None:
    """What cuts documents for this index; None where its entries are whole documents."""
    opened = ((options_of(info.encoder), encoders.get(info.name)) for info in collection.fields)
    cutters = (cutter_for(options, each.encoder) for options, each in opened if isinstance(each, EncodedField))
    return next((each for each in cutters if each is not None), None)
