"""From queries as vectors, field by field, to the one list of weighted terms that the scorer takes.

A counted term weighs count × idf × the field's weight, an encoded one weight × the field's weight. Document
frequencies are those of one generation's live documents, so this belongs to a generation, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer import bm25
from lsr.indexer.manifest import FieldEntry, Manifest
from lsr.indexer.queries import MergedQueries, merge_queries
from lsr.indexer.rows import FieldRows
from lsr.indexer.segments import Segment
from lsr.indexer.tombstones import read_dead_frequencies

from lsr.errors import IndexCorruptError, InvalidArgumentError, ModelMismatchError
from lsr.vectors import SparseVectors, TermCounts


class QueryPreparation:
    """Weighs and joins the rows of queries over the fields of one generation."""

    def __init__(self, path: Path, manifest: Manifest, segments: Sequence[Segment]) -> None:
        """The manifest's numbers of terms must have been checked against the vocabularies' files."""
        self._path = path
        self._manifest = manifest
        self._field_ids = {entry.name: at for at, entry in enumerate(manifest.fields)}
        self._frequencies = {
            entry.name: _live_frequencies(path, manifest, segments, entry)
            for entry in manifest.fields
            if entry.kind == "counted"
        }

    def field(self, name: str) -> FieldEntry:
        """Raises InvalidArgumentError, naming the fields there are."""
        if name not in self._field_ids:
            raise InvalidArgumentError(
                f"{self._path}: no field {name!r}; this index has {', '.join(self._field_ids)}", field="fields"
            )
        return self._manifest.fields[self._field_ids[name]]

    def weights(
        self, queries: Mapping[str, FieldRows], weights: Mapping[str, float] | None
    ) -> dict[str, float]:
        """What each field queried is multiplied by: its own weight, unless ``weights`` names another."""
        own = {name: self.field(name).weight for name in queries}
        return own if weights is None else {name: weights.get(name, weight) for name, weight in own.items()}

    def merged(self, queries: Mapping[str, FieldRows], weights: Mapping[str, float] | None) -> MergedQueries:
        """The queries as (field, term) pairs with their final float32 weights.

        Raises InvalidArgumentError, ModelMismatchError on vectors over another vocabulary.
        """
        for name in weights or {}:
            self.field(name)
        weighted = {}
        for name, weight in self.weights(queries, weights).items():
            entry, rows = self.field(name), queries[name]
            values = self._counted_weights(entry, rows) if isinstance(rows, TermCounts) else rows.weights
            self._check_rows(entry, rows)
            weighted[self._field_ids[name]] = (rows.indptr, rows.terms, values, _checked_weight(name, weight))
        return merge_queries(weighted)

    def _check_rows(self, entry: FieldEntry, rows: FieldRows) -> None:
        expected = TermCounts if entry.kind == "counted" else SparseVectors
        if not isinstance(rows, expected):
            raise InvalidArgumentError(
                f"field {entry.name} is {entry.kind}: query it with {expected.__name__},"
                f" not {type(rows).__name__}",
                field=f"queries.{entry.name}",
            )
        if isinstance(rows, SparseVectors) and rows.vocabulary_size != entry.n_terms:
            raise ModelMismatchError(
                f"{self._path}: field {entry.name} has a vocabulary of {entry.n_terms} terms, the query's"
                f" vectors have {rows.vocabulary_size}. Query with the model that made the index."
            )

    def _counted_weights(self, entry: FieldEntry, rows: TermCounts) -> npt.NDArray[np.float64]:
        """count × idf. A term without live documents gets a weight too; it matches nothing."""
        if len(rows.terms) and int(rows.terms.max()) >= entry.n_terms:
            raise InvalidArgumentError(
                f"field {entry.name}: term id {int(rows.terms.max())} is outside its {entry.n_terms} terms;"
                " count queries with this collection's vocabulary",
                field=f"queries.{entry.name}",
            )
        if entry.kind != "counted":
            return rows.counts.astype(np.float64)
        frequencies = self._frequencies[entry.name][rows.terms]
        return rows.counts * bm25.idf(frequencies, self._manifest.n_documents)


def _live_frequencies(
    path: Path, manifest: Manifest, segments: Sequence[Segment], entry: FieldEntry
) -> npt.NDArray[np.int64]:
    """In how many live documents each term of a counted field is, shape (n_terms,)."""
    frequencies = np.zeros(entry.n_terms, np.int64)
    for segment in segments:
        present = segment.document_frequencies(entry.name)
        if len(present.terms) and int(present.terms.max()) >= entry.n_terms:
            raise IndexCorruptError(
                f"{segment.folder / (entry.name + '.df-terms.arr')}: a term id lies outside the vocabulary."
                " Restore the index from a snapshot, or build it again."
            )
        frequencies[present.terms] += present.counts
    for segment_entry in manifest.segments:
        terms, counts = read_dead_frequencies(path, segment_entry, entry)
        frequencies[terms] -= counts
    return np.maximum(frequencies, 0)


def _checked_weight(name: str, weight: float) -> float:
    if not 0.0 <= weight < float("inf"):
        raise InvalidArgumentError(
            f"the weight of field {name} must be 0 or more, not {weight}", field=f"weights.{name}"
        )
    return weight
