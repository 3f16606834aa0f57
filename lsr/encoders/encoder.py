"""An encoder out of two sides over one vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsr.encoders.base import EncoderInfo, EncodeStatistics, TermSpan
from lsr.encoders.composition import Composition
from lsr.encoders.sides import Side
from lsr.encoders.tokens import TextTokenizer
from lsr.indexer.fields import QueryTable
from lsr.vectors import SparseVectors, UInt32Array
from lsr.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Origin:
    """What an encoder was built from. The folders are what its composition's paths are relative to.

    query_table: of the query side, where it was given apart from the model
    """

    composition: Composition
    document_folder: Path
    query_folder: Path
    query_table: QueryTable | None = None


class ComposedEncoder:
    """Documents and queries, each by its own side."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        documents: Side,
        queries: Side,
        *,
        info: EncoderInfo,
        origin: Origin,
        plain_tokenizer: TextTokenizer,
    ) -> None:
        """plain_tokenizer: of the vocabulary, without length, prompt or special tokens."""
        self._vocabulary = vocabulary
        self._documents = documents
        self._queries = queries
        self._info = info
        self.origin = origin
        self.plain_tokenizer = plain_tokenizer

    @property
    def vocabulary(self) -> Vocabulary:
        return self._vocabulary

    @property
    def query_table(self) -> QueryTable | None:
        """The table of query weights that was given apart from the model, so that an index has to keep it."""
        return self.origin.query_table

    @property
    def statistics(self) -> EncodeStatistics:
        return self._documents.statistics + self._queries.statistics

    @property
    def batch_tokens(self) -> int:
        return self._documents.batch_tokens

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        return self._documents.encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self._queries.encode(texts)

    def spans(self, text: str) -> list[TermSpan]:
        return self.plain_tokenizer.spans(text)

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        """For each term of a document's vector the word, as characters [start, end), whose position won.

        None where no word of the text did: a special token or the prompt won, or the term has no weight there.
        """
        return self._documents.sources(text, terms)

    def describe(self) -> EncoderInfo:
        return self._info
