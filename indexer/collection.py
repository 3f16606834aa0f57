"""A collection: documents with ids, texts, metadata and vectors, read at one committed generation.

    collection = Collection.open(path)                       # or load="memory"
    [hits] = collection.search({"learned": vectors, "bm25": counts}, k=10)
    for document, score in zip(collection.documents(hits.numbers), hits.scores): ...
    collection = collection.refresh()                        # the newest generation, itself if nothing changed

Queries are vectors: one row a query in every field named, ``SparseVectors`` for an encoded field and
``TermCounts`` (made with ``collection.counting_vocabulary(field)``) for a counted one. Several fields are
summed exactly, each times its weight (the field's own unless ``weights`` names one; fields not queried take no
part). Text comes in above, in the pipeline.

A collection never changes and may be shared by threads. It holds every file of its generation open, so writers
may replace and remove files at any time. Documents are named by their *number*, which is never given twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer.agreement import require_same_encoder
from lsr.indexer.aliases import followed
from lsr.indexer.arrays import SUFFIX, Load
from lsr.indexer.bitmaps import FilterBitmaps
from lsr.indexer.documents import StoredDocument
from lsr.indexer.fast import Mode, Tuned, check_mode, chosen, read_tuned
from lsr.indexer.fields import FieldInfo, QueryTable
from lsr.indexer.filters import Filter
from lsr.indexer.kernels import Approximation, Searcher
from lsr.indexer.manifest import MANIFEST_NAME, FieldEntry, Manifest, SegmentEntry, read_manifest
from lsr.indexer.places import Places
from lsr.indexer.preparing import QueryPreparation
from lsr.indexer.queries import MergedQueries
from lsr.indexer.query_tables import StoredTable
from lsr.indexer.rows import BoolArray, FieldRows, Forward, Int64Array, ascending
from lsr.indexer.segments import Segment
from lsr.indexer.terms import open_terms, read_terms
from lsr.indexer.tombstones import Words, read_live_words

from lsr.errors import IndexCorruptError, InvalidArgumentError
from lsr.vectors import Float32Array, SparseVectors, TermCounts, UInt32Array
from lsr.vocabulary import GrowingVocabulary, Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The answer to one query: the best documents, by score descending, then number ascending.

    numbers: int64, shape (m,); m < k if fewer documents match
    scores:  float64, shape (m,)
    """

    numbers: Int64Array
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.numbers)


class Collection:
    """One generation of an index, opened for reading. See the module for how it is used."""

    def __init__(
        self, path: Path, manifest: Manifest, segments: Sequence[Segment], load: Load, named: Path
    ) -> None:
        """For ``open`` and ``refresh``. named: what was opened, an alias or the path itself"""
        self.path = path
        self._named = named
        self.manifest = manifest
        self._load = load
        self._segments = list(segments)
        live_words = [read_live_words(path, entry) for entry in manifest.segments]
        self._searcher = Searcher([segment.view for segment in segments], live_words)
        self._places = Places(path, manifest.segments, self._segments, live_words)
        self._bitmaps = FilterBitmaps(self._segments, live_words)
        # Terms and tables are read when asked for; their files are opened now, while nobody has removed them.
        self._term_files = {entry.name: open_terms(path, entry) for entry in manifest.fields}
        self._tables = {entry.name: StoredTable.of(path, entry) for entry in manifest.fields}
        self._preparation = QueryPreparation(path, manifest, self._segments)
        self._vocabularies: dict[str, Vocabulary] = {}
        self._counting: dict[str, GrowingVocabulary] = {}

    @classmethod
    def open(cls, path: Path | str, *, load: Load = "map") -> Collection:
        """Open the newest generation. An alias is followed once, here.

        load: "map" pages the files in as searches touch them, "memory" reads them first (huge pages).
        Raises IndexNotFoundError or one of the IndexFormatErrors, naming the file at fault.
        """
        return cls._open_newest(Path(path), followed(path), load, {})

    def refresh(self) -> Collection:
        """The newest generation; self if it is still this one. Unchanged segments are shared, not opened
        again. Opened through an alias, that of the index which the alias names now.
        """
        place = followed(self._named)
        if place != self.path:
            return self._open_newest(self._named, place, self._load, {})
        if read_manifest(place) == self.manifest:
            return self
        opened = {segment.entry.id: segment for segment in self._segments}
        return self._open_newest(self._named, place, self._load, opened)

    # Facts

    @property
    def generation(self) -> int:
        return self.manifest.generation

    @property
    def n_documents(self) -> int:
        """Live documents."""
        return self.manifest.n_documents

    @property
    def n_deleted(self) -> int:
        """Documents deleted or replaced whose space a merge would give back."""
        return sum(entry.n_documents - entry.n_live for entry in self.manifest.segments)

    @property
    def size_bytes(self) -> int:
        """All files of this generation."""
        return sum(file.bytes for file in self.manifest.files())

    @property
    def segments(self) -> Sequence[Segment]:
        """In the order of their documents' numbers."""
        return self._segments

    @property
    def n_segments(self) -> int:
        return len(self._segments)

    @property
    def fields(self) -> list[FieldInfo]:
        return [self._field_info(entry) for entry in self.manifest.fields]

    def field(self, name: str) -> FieldInfo:
        """Raises InvalidArgumentError, naming the fields there are."""
        return self._field_info(self._preparation.field(name))

    def vocabulary(self, field: str) -> Vocabulary:
        """A field's terms; for a counted field those of this generation."""
        entry = self._preparation.field(field)
        if field not in self._vocabularies:
            self._vocabularies[field] = Vocabulary(read_terms(self._term_files[field], entry.n_terms))
        return self._vocabularies[field]

    def counting_vocabulary(self, field: str) -> GrowingVocabulary:
        """A counted field's terms as an analyzer counts queries with; shared, so nothing may be added to it."""
        if self._preparation.field(field).kind != "counted":
            raise InvalidArgumentError(f"field {field} is encoded: it counts nothing", field="field")
        if field not in self._counting:
            self._counting[field] = GrowingVocabulary(self.vocabulary(field).terms)
        return self._counting[field]

    def query_table(self, field: str) -> QueryTable | None:
        """The table that weighs a field's queries, if the index keeps one. Raises IndexCorruptError."""
        table = self._tables[self._preparation.field(field).name]
        return None if table is None else table.read()

    def require_encoder(self, field: str, encoder: Mapping[str, object], vocabulary: Vocabulary | None) -> None:
        """Raise ModelMismatchError unless queries made by this encoder fit the field's documents.

        encoder: an encoder's description (its ``identity`` counts) or, for a counted field, the analyzer's
                 settings
        vocabulary: the encoder's; None for a counted field, which has its own
        """
        require_same_encoder(self.path, self._preparation.field(field), encoder, vocabulary)

    # Search

    def search(
        self,
        queries: Mapping[str, FieldRows],
        k: int = 10,
        *,
        weights: Mapping[str, float] | None = None,
        mode: Mode = "exact",
        recall: float | None = None,
        filter: str | Filter | None = None,
        threads: int = 1,
        reference: bool = False,
    ) -> list[Hits]:
        """The k best live documents of each query that share a term with it; one ``Hits`` a row.

        weights:   what to multiply each field's scores by, instead of the fields' own weights
        mode:      "fast" may miss some of the best, as many as ``recall`` (0.99 unless named) allows; scores
                   are exact, and k hits are returned wherever k match
        filter:    which documents may be returned (``lsr.indexer.filters``); hits are the best of those
        reference: use the plain float64 scorer that defines the answer (slow; same result)
        Raises InvalidArgumentError on a bad argument, ModelMismatchError on vectors over another vocabulary,
        NotTunedError if `lsr tune` has not looked for this recall.
        """
        if k < 1:
            raise InvalidArgumentError(f"k must be at least 1, not {k}", field="k")
        wished = check_mode(mode, recall)
        merged = self.prepare(queries, weights=weights)
        summed = self._preparation.weights(queries, weights)
        tuned = None if wished is None else self.tuned_for(wished, summed, k)
        return self.search_merged(
            merged,
            k,
            approximation=None if tuned is None else tuned.approximation,
            filter=filter,
            threads=threads,
            reference=reference,
        )

    def search_merged(
        self,
        queries: MergedQueries,
        k: int,
        *,
        approximation: Approximation | None = None,
        filter: str | Filter | None = None,
        threads: int = 1,
        reference: bool = False,
    ) -> list[Hits]:
        """``search`` for queries that are prepared already.

        approximation: what may be missed; None for an exact search
        """
        if reference and approximation is not None:
            raise InvalidArgumentError(
                "the reference scorer is exact; search in fast mode without it", field="mode"
            )
        if not self._segments:
            return [Hits(np.zeros(0, np.int64), np.zeros(0, np.float64)) for _ in range(len(queries))]
        allowed = None if filter is None else self.bitmaps(filter)
        try:
            if reference:
                return [
                    self._hits(*self._searcher.reference(*queries.row(row), k, filter=allowed))
                    for row in range(len(queries))
                ]
            indptr, found, scores = self._searcher.search_batch(
                queries.indptr,
                queries.fields,
                queries.terms,
                queries.weights,
                k,
                filter=allowed,
                threads=threads,
                approximation=approximation,
            )
        except IndexCorruptError as error:
            raise IndexCorruptError(f"{self.path}: {error}. Find the file with `lsr verify --full`.") from error
        return [self._hits(found[start:end], scores[start:end]) for start, end in pairwise(indptr.tolist())]

    @property
    def tuned(self) -> list[Tuned]:
        """What `lsr tune` found for fast searches of this index."""
        return read_tuned(self.manifest.settings, self.path / MANIFEST_NAME)

    def tuned_for(self, recall: float, weights: Mapping[str, float], k: int) -> Tuned:
        """The settings of a fast search for k hits that sums these fields. Raises NotTunedError."""
        return chosen(self.tuned, self.path, recall=recall, fields=weights, k=k)

    def bitmaps(self, filter: str | Filter) -> list[Words]:
        """What a filter allows, one bitmap a segment. The last few texts' are kept, so a repeated filter is
        free.
        """
        return self._bitmaps.of(filter)

    def n_allowed(self, filter: str | Filter) -> int:
        """How many live documents a filter allows."""
        return self._bitmaps.n_live(filter)

    def unknown_keys(self, filter: str | Filter) -> list[str]:
        """The keys of metadata that a filter names and no document has: misspelt, perhaps."""
        return self._bitmaps.unknown_keys(filter)

    @property
    def metadata_keys(self) -> list[str]:
        """The keys that filters can name, sorted; dots lead into nested objects."""
        return sorted(self._bitmaps.keys)

    def count(
        self,
        queries: Mapping[str, FieldRows],
        *,
        filter: str | Filter | None = None,
        threads: int = 1,
    ) -> list[int]:
        """How many live documents that the filter allows share a term with each query. Costs a scan."""
        found = self.search(queries, max(self.n_documents, 1), filter=filter, threads=threads)
        return [len(hits) for hits in found]

    def scores(
        self,
        numbers: Sequence[int] | Int64Array,
        queries: Mapping[str, FieldRows],
        *,
        weights: Mapping[str, float] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Exact scores of given documents for one query (one row in every field), shape (len(numbers),)."""
        merged = self.prepare(queries, weights=weights)
        if len(merged) != 1:
            raise InvalidArgumentError(f"scores takes one query, not {len(merged)}", field="queries")
        return self._searcher.scores(self._places.rows(numbers), *merged.row(0))

    def prepare(
        self, queries: Mapping[str, FieldRows], *, weights: Mapping[str, float] | None = None
    ) -> MergedQueries:
        """The queries as the scorer takes them: (field, term) pairs with their final float32 weights.

        A counted term weighs count × idf × the field's weight, an encoded one weight × the field's weight.
        """
        return self._preparation.merged(queries, weights)

    # Documents

    def documents(self, numbers: Sequence[int] | Int64Array) -> list[StoredDocument]:
        """The documents with these numbers, in this order. Raises InvalidArgumentError for one that is not
        there.
        """
        return self._places.documents(numbers)

    def ids(self, numbers: Sequence[int] | Int64Array) -> list[str]:
        """The ids of the documents with these numbers, in this order."""
        return self._places.ids(numbers)

    def number_of(self, document_id: str) -> int | None:
        """The number of the live document with this id."""
        return self._places.number_of(document_id)

    def get(self, document_id: str) -> StoredDocument | None:
        """The live document with this id."""
        number = self.number_of(document_id)
        return None if number is None else self.documents([number])[0]

    def all_documents(self) -> Iterator[StoredDocument]:
        """Every live document in the order of numbers, which is the order of last writes."""
        return self._places.all_documents()

    def sample(self, size: int, rng: np.random.Generator) -> Int64Array:
        """Numbers of up to ``size`` distinct live documents, drawn at random, ascending."""
        drawn = np.sort(rng.choice(max(self.n_documents, 1), min(size, self.n_documents), replace=False))
        return self._places.live_at(drawn)

    # Vectors

    def vector(self, number: int, field: str) -> tuple[UInt32Array, Float32Array]:
        """A document's terms and weights in a field, as scores are computed with; BM25 impacts if counted."""
        entry = self._preparation.field(field)
        at, position = self._places.of(number)
        row = _in_order(self._segments[at].weights(field, position, position + 1), entry, self._segments[at])
        return row.terms, row.values  # type: ignore[return-value]

    def vectors(self, field: str) -> Iterator[tuple[list[str], SparseVectors]]:
        """Ids and vectors of all live documents, in the order of numbers, a few thousand at once."""
        for numbers, rows in self.numbered_vectors(field):
            yield self.ids(numbers), rows

    def numbered_vectors(self, field: str) -> Iterator[tuple[Int64Array, SparseVectors]]:
        """As ``vectors``, with document numbers in place of ids; a counted field's weights are its impacts."""
        entry = self._preparation.field(field)
        for at, segment in enumerate(self._segments):
            for start, stop, kept in self._places.live_chunks(at):
                rows = _in_order(segment.weights(field, start, stop).where(kept), entry, segment)
                vectors = SparseVectors(rows.indptr, rows.terms, rows.values, entry.n_terms)  # type: ignore[arg-type]
                yield segment.numbers[start:stop][kept], vectors

    def counts(self, field: str) -> Iterator[TermCounts]:
        """Term counts and lengths of all live documents in a counted field, in the order of numbers."""
        entry = self._preparation.field(field)
        for at, segment in enumerate(self._segments):
            forward = segment.forward(field)
            for start, stop, kept in self._places.live_chunks(at):
                rows = _in_order(forward.rows(start, stop).where(kept), entry, segment)
                yield TermCounts(
                    rows.indptr,  # type: ignore[arg-type]
                    rows.terms.astype(np.uint32),
                    rows.values.astype(np.uint32),
                    rows.lengths.astype(np.uint32),
                )

    def live_positions(self, segment: int) -> BoolArray:
        """Which positions of a segment are alive, shape (n_documents of the segment,)."""
        return self._places.live_positions(segment)

    # Below: how the above is done

    @classmethod
    def _open_newest(cls, named: Path, path: Path, load: Load, opened: Mapping[str, Segment]) -> Collection:
        """A writer may commit and remove files while we open them: then there is a newer manifest to read.

        path: the index that ``named`` means; opened: segments of it that are open already
        """
        manifest = read_manifest(path)
        while True:
            try:
                segments = [cls._segment(path, manifest, entry, load, opened) for entry in manifest.segments]
                return cls(path, manifest, segments, load, named)
            except FileNotFoundError as error:
                newer = read_manifest(path)
                if newer == manifest:
                    raise IndexCorruptError(
                        f"{error.filename or error}: the manifest names this file, but it is missing."
                        " Restore the index from a snapshot, or build it again."
                    ) from error
                manifest = newer

    @staticmethod
    def _segment(
        path: Path, manifest: Manifest, entry: SegmentEntry, load: Load, opened: Mapping[str, Segment]
    ) -> Segment:
        known = opened.get(entry.id)
        if known is not None and known.entry.files == entry.files:
            return known
        return Segment(path, entry, manifest.fields, load=load)

    def _field_info(self, entry: FieldEntry) -> FieldInfo:
        live = self.manifest.live_counts(entry.name)
        n_documents = max(self.n_documents, 1)
        counted = entry.kind == "counted"
        return FieldInfo(
            name=entry.name,
            kind=entry.kind,
            weight=entry.weight,
            storage=entry.storage,
            encoder=entry.encoder,
            vocabulary_fingerprint=entry.vocabulary_fingerprint,
            n_terms=entry.n_terms,
            nnz=live.nnz,
            nnz_per_document=live.nnz / n_documents,
            n_clamped=live.clamped,
            k1=entry.k1 if counted else None,
            b=entry.b if counted else None,
            average_length=entry.average_length,
            live_length=live.length / n_documents if counted else None,
        )

    def _hits(self, rows: Int64Array, scores: npt.NDArray[np.float64]) -> Hits:
        return Hits(self._places.numbers(rows), scores)


def _in_order(rows: Forward, entry: FieldEntry, segment: Segment) -> Forward:
    """Rows on their way out: whoever takes them relies on terms that rise and that the vocabulary has.

    Raises IndexCorruptError, naming the file, where a damaged one has others.
    """
    if not ascending(rows) or (rows.nnz and int(rows.terms.max()) >= entry.n_terms):
        raise IndexCorruptError(
            f"{segment.folder / f'{entry.name}.terms{SUFFIX}'}: terms are not in order, or not in the"
            " vocabulary. Restore the index from a snapshot, or build it again."
        )
    return rows
