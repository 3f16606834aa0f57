"""What a field is: its kind, its vocabulary, how its weights are stored and what it weighs in a sum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lsr.errors import InvalidArgumentError
from lsr.vocabulary import Vocabulary

Kind = Literal["encoded", "counted"]
WeightStorage = Literal["float32", "float16", "uint8"]

KINDS = ("encoded", "counted")
WEIGHT_STORAGES = ("float32", "float16", "uint8")

# Of uint8 storage: within these, no code times the scale leaves the normal numbers of float32.
LEAST_SCALE, LARGEST_SCALE = 2.0**-126, 2.0**119

# Field names are parts of file names and of flags.
FIELD_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class QueryTable:
    """The weights of a query's terms, as the file that they were given in.

    name:    the file's, without folders; it tells the form
    content: the file's bytes, as they are: an encoder's identity is over them
    place:   where they were read, for messages
    """

    name: str
    content: bytes = field(repr=False)
    place: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.place or self.name


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field to create.

    kind:       "encoded": weights come from a model and are stored as given;
                "counted": term counts come from an analyzer, weights are BM25's
    vocabulary: an encoded field's terms; a counted field begins empty and grows with the documents
    encoder:    facts about what made the vectors, as JSON: an encoder's description or an analyzer's settings
    weight:     what the field weighs in a sum when a search names no weights
    storage:    how an encoded field keeps its weights: "float32" exactly, "float16" and "uint8" reduced
    scale:      with "uint8", a stored code times this, as float32, is the weight; None takes the largest weight
                of the first commit over 255
    k1, b:      BM25's parameters of a counted field
    query_table: what an encoded field's queries are weighed by, where that is a table and no model
    """

    name: str
    kind: Kind
    vocabulary: Vocabulary | None = None
    encoder: Mapping[str, object] = field(default_factory=dict)
    weight: float = 1.0
    storage: WeightStorage = "float32"
    scale: float | None = None
    k1: float = 0.9
    b: float = 0.4
    query_table: QueryTable | None = None

    def __post_init__(self) -> None:
        """Raises InvalidArgumentError, naming the field, for facts that do not go together."""
        if not FIELD_NAME.fullmatch(self.name):
            raise InvalidArgumentError(
                f"field name {self.name!r}: use a lower-case letter, then at most 62 of a-z, 0-9, _ and -",
                field="name",
            )
        for fact, value, allowed in (("kind", self.kind, KINDS), ("storage", self.storage, WEIGHT_STORAGES)):
            if value not in allowed:
                raise InvalidArgumentError(
                    f"field {self.name}: {fact} must be one of {', '.join(allowed)}, not {value!r}", field=fact
                )
        if (self.kind == "encoded") != (self.vocabulary is not None):
            raise InvalidArgumentError(
                f"field {self.name}: an encoded field needs its model's vocabulary, a counted one grows its"
                " own",
                field="vocabulary",
            )
        if self.kind == "counted" and self.query_table is not None:
            raise InvalidArgumentError(
                f"field {self.name}: a table of query weights goes with an encoded field", field="query_table"
            )
        if self.kind == "counted" and self.storage != "float32":
            raise InvalidArgumentError(
                f"field {self.name}: a counted field stores counts; storage={self.storage!r} is for encoded"
                " ones",
                field="storage",
            )
        if self.scale is not None and (
            self.storage != "uint8" or not LEAST_SCALE <= self.scale <= LARGEST_SCALE
        ):
            raise InvalidArgumentError(
                f"field {self.name}: a scale above 0, within float32's range, goes with uint8 storage, not"
                f" {self.scale} with {self.storage}",
                field="scale",
            )
        if not 0.0 <= self.weight < float("inf"):
            raise InvalidArgumentError(
                f"field {self.name}: weight must be 0 or more, not {self.weight}", field="weight"
            )
        if not (0.0 <= self.k1 < float("inf") and 0.0 <= self.b <= 1.0):
            raise InvalidArgumentError(
                f"field {self.name}: BM25 needs k1 of 0 or more and b from 0 to 1, not {self.k1} and {self.b}",
                field="k1",
            )


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field of an opened collection.

    n_terms:          size of the vocabulary
    nnz:              non-zeros of the live documents
    average_length:   counted: the length that the stored weights were computed with
    live_length:      counted: the average length of the live documents now; its distance from average_length is
                      the drift that a full merge removes
    n_clamped:        reduced weights that did not fit their type
    """

    name: str
    kind: Kind
    weight: float
    storage: WeightStorage
    encoder: Mapping[str, object]
    vocabulary_fingerprint: str
    n_terms: int
    nnz: int
    nnz_per_document: float
    n_clamped: int = 0
    k1: float | None = None
    b: float | None = None
    average_length: float | None = None
    live_length: float | None = None
