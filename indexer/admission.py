"""What a writer takes: documents with ids of their own, and rows that fit them and the index's fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lsr.indexer.manifest import FieldEntry
from lsr.indexer.rows import FieldRows

from lsr.errors import DuplicateIdError, InvalidArgumentError, ModelMismatchError
from lsr.vectors import SparseVectors, TermCounts


def check_distinct(ids: Sequence[str]) -> None:
    """Raise DuplicateIdError if two documents of a batch have the same id."""
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, int] = {}
    for at, name in enumerate(ids):
        first = seen.setdefault(name, at)
        if first != at:
            raise DuplicateIdError(
                f"document id {name!r} occurs twice in one batch (documents {first} and {at});"
                " ids must be distinct"
            )


def check_ids(ids: Sequence[str]) -> None:
    """Raise InvalidArgumentError for one string in the place of a list: its characters would be ids, too."""
    if isinstance(ids, str):
        raise InvalidArgumentError(
            f"ids must be a list of document ids, not one string; for one alone write [{ids!r}]", field="ids"
        )
    for at, name in enumerate(ids):
        if not isinstance(name, str):
            raise InvalidArgumentError(f"ids[{at}] is a {type(name).__name__}, not a string", field="ids")


def check_vectors(
    n_documents: int,
    vectors: Mapping[str, FieldRows],
    *,
    index: Path,
    fields: Sequence[FieldEntry],
    counted_terms: Mapping[str, int],
) -> None:
    """Raise InvalidArgumentError or ModelMismatchError unless there is a row for each document in every field.

    counted_terms: how many terms each counted field has
    """
    names = [entry.name for entry in fields]
    if sorted(vectors) != sorted(names):
        raise InvalidArgumentError(
            f"add: vectors are needed for {', '.join(names)}, but given for {', '.join(vectors) or 'no field'}",
            field="vectors",
        )
    for entry in fields:
        rows = vectors[entry.name]
        if len(rows) != n_documents:
            raise InvalidArgumentError(
                f"add: one row a document is needed, but field {entry.name} has {len(rows)} for {n_documents}",
                field=f"vectors.{entry.name}",
            )
        if isinstance(rows, TermCounts) != (entry.kind == "counted"):
            raise InvalidArgumentError(
                f"add: field {entry.name} is {entry.kind} and cannot take {type(rows).__name__}",
                field=f"vectors.{entry.name}",
            )
        _check_terms(entry, rows, index, counted_terms)


def _check_terms(entry: FieldEntry, rows: FieldRows, index: Path, counted_terms: Mapping[str, int]) -> None:
    if isinstance(rows, SparseVectors):
        if rows.vocabulary_size != entry.n_terms:
            raise ModelMismatchError(
                f"{index}: field {entry.name} has a vocabulary of {entry.n_terms} terms, these vectors have"
                f" {rows.vocabulary_size}. Encode with the index's model, or build a new index."
            )
    elif rows.nnz and int(rows.terms.max()) >= counted_terms[entry.name]:
        raise InvalidArgumentError(
            f"add: field {entry.name} has {counted_terms[entry.name]} terms, but a row names term"
            f" {int(rows.terms.max())}; count with this writer's vocabulary",
            field=f"vectors.{entry.name}",
        )
