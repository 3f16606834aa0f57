"""The facts of an index, as ``lsr info`` prints and ``GET /v1/index`` answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsr.indexer.fast import Tuned
from lsr.passages import holds_passages, n_documents

if TYPE_CHECKING:
    from lsr.indexer.collection import Collection
    from lsr.indexer.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """A field: what made its vectors, and what they are like.

    average_length: of a counted field: the length that the stored weights were computed with
    live_length:    the average length of its documents now; a full merge takes it as the new average_length
    """

    name: str
    kind: str
    weight: float
    storage: str
    encoder: Mapping[str, object]
    vocabulary_fingerprint: str
    terms: int
    non_zeros: int
    non_zeros_per_document: float
    k1: float | None
    b: float | None
    average_length: float | None
    live_length: float | None


@dataclass(frozen=True, slots=True)
class StagedDescription:
    """Changes that wait for a commit: documents they bring, documents they delete or replace."""

    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """One committed state of an index.

    passages:  entries of an index whose documents are found by their best passage; None for whole documents
    deleted:   entries whose space a merge would give back
    truncated: texts that were longer than the model reads, of all that were ever added; None if nobody counted
    split:     documents that were cut into passages, likewise
    reordered: like documents were put next to each other when it was built
    staged:    what waits for a commit; None if nothing does
    tuned:     what `lsr tune` found for fast searches
    """

    generation: int
    format: int
    created: str
    package: str
    documents: int
    passages: int | None
    deleted: int
    truncated: int | None
    split: int | None
    segments: int
    size_bytes: int
    fields: Sequence[FieldDescription]
    reordered: bool = False
    staged: StagedDescription | None = None
    tuned: Sequence[Tuned] = ()


def describe(collection: Collection) -> IndexDescription:
    from lsr.indexer.staging import read_staged

    staged = read_staged(collection.path, collection.generation)
    manifest = collection.manifest
    return IndexDescription(
        generation=collection.generation,
        format=manifest.format,
        created=manifest.created,
        package=manifest.package,
        documents=n_documents(collection),
        passages=collection.n_documents if holds_passages(collection) else None,
        deleted=collection.n_deleted,
        truncated=manifest.counts.get("truncated"),
        split=manifest.counts.get("split"),
        segments=collection.n_segments,
        size_bytes=collection.size_bytes,
        fields=[_described(info) for info in collection.fields],
        reordered=manifest.reordered,
        staged=None if staged is None else StagedDescription(staged.added, staged.removed),
        tuned=collection.tuned,
    )


def _described(info: FieldInfo) -> FieldDescription:
    return FieldDescription(
        name=info.name,
        kind=info.kind,
        weight=info.weight,
        storage=info.storage,
        encoder=info.encoder,
        vocabulary_fingerprint=info.vocabulary_fingerprint,
        terms=info.n_terms,
        non_zeros=info.nnz,
        non_zeros_per_document=round(info.nnz_per_document, 3),
        k1=info.k1,
        b=info.b,
        average_length=info.average_length,
        live_length=info.live_length,
    )
