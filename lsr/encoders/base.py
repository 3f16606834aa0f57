"""What every sparse encoder offers, whichever way it computes its vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from lsr.indexer.fields import QueryTable
from lsr.vectors import SparseVectors, UInt32Array
from lsr.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What an index, a report or a person needs to know of an encoder.

    identity: SHA-256, in hex, over everything that decides its vectors (lsr/encoders/identity.py); vectors
        may be cached under it. Kernels agree within 1e-4 and share it.
    document_length, query_length: tokens kept of a text, special tokens included; 0 for a side without a limit
    document_room: those of them that a document's own text can have; 0 for no limit
    n_parameters: of the neural parts of both sides; parameters the sides share count once
    kernel: the code path of the document side: "torch", "native-avx512", ...; "none" where nothing is computed
    expansion_field: the field of a document's metadata that is read behind its text; empty for none
    transform, splitting: what is done to texts before they are encoded; empty for nothing
    """

    name: str
    identity: str
    method: str
    document_length: int
    query_length: int
    licence: str
    n_parameters: int
    vocabulary_size: int
    vocabulary_fingerprint: str
    precision: str
    kernel: str
    expansion_field: str = ""
    transform: str = ""
    splitting: str = ""
    document_room: int = 0

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EncodeStatistics:
    """Counts over an encoder's life.

    tokens: after truncation, special tokens included
    truncated: texts that were longer than their side's length
    memory_backoffs: times an allocation failed and the batch was halved
    split: documents that were cut into passages; each passage counts as a text
    """

    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    memory_backoffs: int = 0
    split: int = 0

    def __add__(self, other: EncodeStatistics) -> EncodeStatistics:
        return EncodeStatistics(
            self.texts + other.texts,
            self.tokens + other.tokens,
            self.truncated + other.truncated,
            self.memory_backoffs + other.memory_backoffs,
            self.split + other.split,
        )

    def __sub__(self, earlier: EncodeStatistics) -> EncodeStatistics:
        return EncodeStatistics(
            self.texts - earlier.texts,
            self.tokens - earlier.tokens,
            self.truncated - earlier.truncated,
            self.memory_backoffs - earlier.memory_backoffs,
            self.split - earlier.split,
        )


class TermSpan(NamedTuple):
    """A term of the vocabulary that stands in a text, at characters [start, end)."""

    start: int
    end: int
    term: int


@runtime_checkable
class Batching(Protocol):
    """An encoder that tells how many tokens it computes at once, at most."""

    @property
    def batch_tokens(self) -> int: ...


@runtime_checkable
class TableWeighing(Protocol):
    """An encoder that may weigh queries by a table from outside its model; an index of it keeps the table."""

    @property
    def query_table(self) -> QueryTable | None: ...


class SparseEncoder(Protocol):
    """Texts in, sparse vectors over one vocabulary out. A query and a document may be encoded differently."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def statistics(self) -> EncodeStatistics: ...

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        """One row for each text, in the order given; any number of texts."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors: ...

    def spans(self, text: str) -> list[TermSpan]:
        """The terms that stand in the text, in order, to its end: what tells literal terms from expansions."""
        ...

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        """For each term of a document's vector the word, as characters [start, end), that its weight came from.

        None where no word of the text gave it.
        """
        ...

    def describe(self) -> EncoderInfo: ...
