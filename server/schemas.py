"""The bodies of requests, checked where they enter, and the examples that /openapi.json shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from lsr.indexer.documents import DocumentInput
from lsr.indexer.fast import LARGEST_RECALL, LEAST_RECALL
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lsr.requests import DOCUMENT_PARTS, MAX_K, Mode, SearchRequest, TermWeights, parse_weights

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TermId = Annotated[int, Field(ge=0, le=2**32 - 1)]
Part = Literal["title", "text", "metadata"]


class FieldProblem(BaseModel):
    """One bad field of a request."""

    field: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. ``code`` is stable; docs/rest.md lists them all."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None


def _problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content, "model": Problem}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": _problem("What is wrong with the request, and what to do about it"),
    "5XX": _problem("What keeps the server from answering, and what to do about it"),
}


class WeightedTerms(BaseModel):
    """A query vector, in one of two shapes.

    ``{"terms": {"python": 1.5, "snake": 0.2}}`` or ``{"indices": [18750, 7488], "values": [1.5, 0.2]}``.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    terms: dict[str, Weight] | None = None
    indices: list[TermId] | None = None
    values: list[Weight] | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> WeightedTerms:
        if (self.terms is None) == (self.indices is None) or (self.indices is None) != (self.values is None):
            raise ValueError('give either "terms" or both "indices" and "values"')
        if self.indices is not None and self.values is not None and len(self.indices) != len(self.values):
            raise ValueError(f"{len(self.indices)} indices but {len(self.values)} values; give one value each")
        if self.indices is not None and len(set(self.indices)) != len(self.indices):
            raise ValueError("an index occurs twice; add its values up")
        return self

    def weights(self) -> TermWeights:
        if self.terms is not None:
            return self.terms
        return dict(zip(self.indices or (), self.values or (), strict=True))


class SearchBody(BaseModel):
    """A search. Give ``query`` or ``vector``; everything else has a default."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"query": "read a file line by line", "k": 5},
                {"query": "compress bytes", "explain": True, "highlight": True, "documents": ["title"]},
                {"query": "parse dates", "fields": {"learned": 1.0, "bm25": 0.5}},
                {"query": "sort a list", "filter": 'id NOT IN ("heapq", "bisect")'},
                {"vector": {"learned": {"terms": {"file": 1.5, "read": 1.2}}}},
                {"vector": {"learned": {"indices": [5371, 3191], "values": [1.5, 1.2]}}},
            ]
        },
    )

    query: str | None = Field(default=None, description="the question, as text")
    vector: dict[str, WeightedTerms] | None = Field(
        default=None, description="the question as your own weighted terms, by field"
    )
    k: int = Field(default=10, ge=1, le=MAX_K, description="hits wanted")
    offset: int = Field(default=0, ge=0, le=MAX_K, description="best hits to skip")
    filter: str | None = Field(
        default=None,
        description="only documents that meet this condition on metadata or id",
        examples=['lang = "en" AND year >= 2020'],
    )
    fields: dict[str, Weight] | None = Field(
        default=None, description="weight of each field in the sum; the index's own if left out"
    )
    mode: Mode | None = Field(
        default=None, description="exact, or fast: approximate; the server's own mode if left out"
    )
    recall: float | None = Field(
        default=None,
        ge=LEAST_RECALL,
        le=LARGEST_RECALL,
        description="with mode fast: share of the exact hits wished for, as `lsr tune` was; 0.99 if left out",
    )
    explain: bool = Field(default=False, description="give the terms behind each score")
    highlight: bool = Field(default=False, description="mark the query's literal terms in title and text")
    documents: list[Part] = Field(
        default=["title", "text", "metadata"], description="parts of documents to return"
    )
    count: bool = Field(default=False, description="count all matches exactly; costs a scan")

    def request(self) -> SearchRequest:
        return SearchRequest(
            text=self.query,
            vectors=_weights(self.vector),
            k=self.k,
            offset=self.offset,
            filter=self.filter,
            fields=self.fields,
            mode=self.mode,
            recall=self.recall,
            explain=self.explain,
            highlight=self.highlight,
            documents=tuple(self.documents),
            count=self.count,
        )


class SearchParameters(BaseModel):
    """The same search as a link: ``GET /v1/search?q=compress+bytes&k=5&explain=true``."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(description="the question, as text", examples=["read a file line by line"])
    k: int = Field(default=10, ge=1, le=MAX_K, description="hits wanted")
    offset: int = Field(default=0, ge=0, le=MAX_K, description="best hits to skip")
    filter: str | None = Field(
        default=None,
        description="only documents that meet this condition on metadata or id",
        examples=['lang = "en" AND year >= 2020'],
    )
    fields: str | None = Field(default=None, description="weights by field", examples=["learned=1,bm25=0.5"])
    mode: Mode | None = Field(default=None, description="exact or fast; the server's own mode if left out")
    recall: float | None = Field(
        default=None, ge=LEAST_RECALL, le=LARGEST_RECALL, description="with mode fast: share of the exact hits"
    )
    explain: bool = Field(default=False, description="give the terms behind each score")
    highlight: bool = Field(default=False, description="mark the query's literal terms in title and text")
    documents: str = Field(default=",".join(DOCUMENT_PARTS), description="parts of documents to return")
    count: bool = Field(default=False, description="count all matches exactly; costs a scan")

    def request(self) -> SearchRequest:
        return SearchRequest(
            text=self.q,
            k=self.k,
            offset=self.offset,
            filter=self.filter,
            fields=parse_weights(self.fields, "fields"),
            mode=self.mode,
            recall=self.recall,
            explain=self.explain,
            highlight=self.highlight,
            documents=tuple(part for part in self.documents.split(",") if part),
            count=self.count,
        )


class DocumentBody(BaseModel):
    """A document without its id, which stands in the path."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = ""
    text: str
    metadata: dict[str, Any] = Field(default_factory=dict, description="any JSON object; filters see it")

    def document(self, document_id: str) -> DocumentInput:
        return DocumentInput(document_id, self.text, self.title, self.metadata)


class IdentifiedDocument(DocumentBody):
    """A document of a batch."""

    id: str = Field(min_length=1)


class DocumentsBody(BaseModel):
    """A batch of documents; as NDJSON the documents alone, one a line."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"documents": [{"id": "42", "text": "A text", "metadata": {"lang": "en"}}]}]
        },
    )

    documents: list[IdentifiedDocument] = Field(min_length=1)


def _weights(vector: Mapping[str, WeightedTerms] | None) -> Mapping[str, TermWeights] | None:
    return None if vector is None else {name: each.weights() for name, each in vector.items()}
