"""What a collection is made of: documents, queries and judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Qrels = dict[str, dict[str, int]]
"""Judgements: query id -> document id -> grade. Above 0 is relevant; more is better."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as its source gives it. An empty text is legal; an empty id is not."""

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)

    def encoder_text(self) -> str:
        """What encoders and analyzers see, unless a collection says otherwise."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str
