"""From documents to a committed index: read → encode and count → write → commit.

``plan_index`` decides what the index will hold; ``index_documents`` builds it and says, once it has measured
its first batches, what the whole will take.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.encoders.base import Batching, TableWeighing
from lsr.errors import InvalidArgumentError
from lsr.forecast import Forecast, Meter
from lsr.models import ModelOptions
from lsr.passages import cutter_for, n_documents, text_counts, told_of_documents
from lsr.requests import check_field_weights

if TYPE_CHECKING:
    from lsr.analysis import Analyzer
    from lsr.data.documents import Document
    from lsr.data.report import ReadReport
    from lsr.encoders.base import SparseEncoder
    from lsr.encoders.prepared import TextTransform
    from lsr.fields import QueryVectors
    from lsr.indexer.collection import Collection
    from lsr.indexer.fields import FieldSpec, QueryTable, WeightStorage
    from lsr.indexer.writer import CollectionWriter
    from lsr.pipeline import Pipeline

LEARNED, COUNTED = "learned", "bm25"
COUNTED_ONLY = "bm25"
"""The name that stands for no model: an index of term counts alone."""

RECORDED_SUMS: Mapping[str, Mapping[str, float]] = {"splade-tiny": {LEARNED: 1.0, COUNTED: 1.0}}
"""Models whose sum with BM25 was measured to be better than either, and with which weights."""

# Documents encoded and added together. Few at first, to warm up and so that a slow model's forecast need not
# wait; then a few seconds of work each, so that progress moves.
FIRST_BATCHES = (32, 256)
BATCH = 1024


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What an index will hold.

    weights: by field, as recorded in the index for searches that name none
    options: how the model is loaded, and what is done to texts before it reads them
    note:    why these fields, where the user may have expected others; empty if there is nothing to say
    """

    model: str
    weights: Mapping[str, float]
    language: str = "english"
    storage: WeightStorage = "float32"
    note: str = ""
    options: ModelOptions = field(default_factory=ModelOptions)


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What was built.

    passages:  entries of an index whose documents are found by their best passage; None for whole documents
    truncated: texts (passages where documents were split) that were longer than the model reads
    split:     documents that were cut into several passages
    """

    path: str
    generation: int
    documents: int
    passages: int | None
    skipped: int
    truncated: int
    split: int
    seconds: float
    size_bytes: int
    fields: Mapping[str, float]


def plan_index(
    model: str,
    weights: Mapping[str, float] | None = None,
    *,
    language: str = "english",
    storage: WeightStorage = "float32",
    options: ModelOptions | None = None,
) -> IndexPlan:
    """Which fields an index of ``model`` has. Weights that are not given are those measured for the model.

    Raises InvalidArgumentError for a field that such an index cannot have.
    """
    check_field_weights(weights)
    options = options or ModelOptions()
    if model == COUNTED_ONLY:
        options.require_none(model)
    possible = (COUNTED,) if model == COUNTED_ONLY else (LEARNED, COUNTED)
    for name in weights or {}:
        if name not in possible:
            raise InvalidArgumentError(
                f"fields: an index of {model} can have {' and '.join(possible)}, not {name!r}", field="fields"
            )
    note = ""
    if weights is None and model == COUNTED_ONLY:
        weights = {COUNTED: 1.0}
    elif weights is None:
        weights = recorded_sum(model, options)
    if weights is None:
        weights = {LEARNED: 1.0}
        note = f"no measured weights for a sum of {model} with BM25, so the index has its field alone"
    if LEARNED not in weights:
        options.require_none("an index of term counts alone")
    return IndexPlan(model, weights, language, storage, note, options)


def recorded_sum(model: str, options: ModelOptions) -> Mapping[str, float] | None:
    """The weights measured for this model's sum with BM25; None if it was not measured, or not in this use."""
    return RECORDED_SUMS.get(model) if (options.method, options.queries) == (None, None) else None


class DocumentEncoder:
    """Documents to the rows of an index's fields, by its plan."""

    def __init__(
        self,
        plan: IndexPlan,
        *,
        encoder: SparseEncoder | None = None,
        device: str = "cpu",
        threads: int | None = None,
        memory: int | None = None,
    ) -> None:
        """encoder: use this one as it is; otherwise the plan's model is loaded, if it has one."""
        from lsr.analysis import Analyzer

        self.plan = plan
        self.encoder = encoder
        if encoder is None and LEARNED in plan.weights:
            self.encoder = plan.options.load(plan.model, device=device, threads=threads, memory=memory)
        self.analyzer: Analyzer | None = Analyzer(plan.language) if COUNTED in plan.weights else None
        self.cutter = cutter_for(plan.options, self.encoder) if self.encoder is not None else None
        self._transform = self._text_transform()

    def field_specs(self) -> list[FieldSpec]:
        from lsr.indexer.fields import FieldSpec

        specs = []
        for name, weight in self.plan.weights.items():
            if name == COUNTED and self.analyzer is not None:
                specs.append(FieldSpec(name, "counted", encoder=self.analyzer.settings, weight=weight))
            elif self.encoder is not None:
                specs.append(
                    FieldSpec(
                        name,
                        "encoded",
                        vocabulary=self.encoder.vocabulary,
                        encoder=self._facts(self.encoder),
                        weight=weight,
                        storage=self.plan.storage,
                        query_table=self._query_table(self.encoder),
                    )
                )
        return specs

    def rows(self, documents: Sequence[Document], writer: CollectionWriter) -> dict[str, QueryVectors]:
        """One row a document in every field; new counted terms go into the writer's vocabulary."""
        texts: Sequence[str] = [document.encoder_text() for document in documents]
        rows: dict[str, QueryVectors] = {}
        if self.encoder is not None:
            from lsr.encoders.expansion import document_text

            info = self.encoder.describe()
            read = [document_text(document, info) for document in documents]
            rows[LEARNED] = self.encoder.encode_documents(read)
        if self.analyzer is not None:
            texts = self._transform(texts) if self._transform is not None else texts
            rows[COUNTED] = self.analyzer.count(texts, writer.vocabulary(COUNTED), adding=True)
        return rows

    def pipeline(self, collection: Collection) -> Pipeline:
        """Searches what this built, with the encoder at hand instead of a second copy."""
        from lsr.fields import open_fields
        from lsr.pipeline import Pipeline

        fields = list(self.plan.weights)
        opened = open_fields(collection, fields, encoder=self.encoder, transform=self.plan.options.transform)
        return Pipeline(collection, opened)

    def entries(self, documents: Sequence[Document]) -> Sequence[Document]:
        """What the index holds of these documents: themselves, or their passages."""
        if self.cutter is None:
            return documents
        return [entry for document in documents for entry in self.cutter(document)]

    @staticmethod
    def _query_table(encoder: SparseEncoder) -> QueryTable | None:
        return encoder.query_table if isinstance(encoder, TableWeighing) else None

    def _facts(self, encoder: SparseEncoder) -> dict[str, object]:
        """What the index records of the model."""
        return {**encoder.describe().to_json(), **self.plan.options.recorded(self.plan.model, encoder)}

    def _text_transform(self) -> TextTransform | None:
        if self.plan.options.transform is None:
            return None
        from lsr.encoders.prepared import TextTransform

        return TextTransform.load(self.plan.options.transform)


def index_documents(
    documents: Iterable[Document],
    out: Path,
    encoder: DocumentEncoder,
    *,
    report: ReadReport | None = None,
    source: Mapping[str, object] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reorder: bool = False,
    memory: int | None = None,
    threads: int = 1,
    expected: int | None = None,
    on_forecast: Callable[[Forecast], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> IndexSummary:
    """Build an index at ``out`` and commit it; until then nothing of an earlier index there changes.

    documents: in the source's order; with ``resume`` from its beginning again, what is done is passed over
    report:    of the reader of ``documents``, for records that it skips
    source:    what identifies the input, so that the build can be resumed; None if it cannot be read again
    reorder:   put like documents next to each other (``CollectionWriter.create``)
    expected:  documents in the source, if that is known or can be guessed; for the forecast
    on_forecast: called once, after the first batches or at the end of a short source
    progress:  called with the number of documents done since the last call
    Raises IndexExistsError, UnfinishedBuildError, InvalidArgumentError for what are no Documents,
    and whatever reading the documents raises.
    """
    from lsr.data.report import ReadReport
    from lsr.indexer.collection import Collection
    from lsr.indexer.limits import DEFAULT_MEMORY
    from lsr.indexer.writer import CollectionWriter

    started = time.perf_counter()
    counts = report if report is not None else ReadReport()
    given = _documents_only(documents)
    counted = given if report is not None else _counting(given, counts)
    with CollectionWriter.create(
        out,
        encoder.field_specs(),
        source=source,
        resume=resume,
        overwrite=overwrite,
        reorder=reorder,
        memory=memory or DEFAULT_MEMORY,
        threads=threads,
    ) as writer:
        progress(writer.records_done)
        meter = Meter(
            writer,
            encoder.encoder.vocabulary if encoder.encoder is not None else None,
            expected,
            model=encoder.plan.model if encoder.encoder is not None else COUNTED_ONLY,
            full_batch=BATCH,
            report=on_forecast,
            batch_tokens=encoder.encoder.batch_tokens if isinstance(encoder.encoder, Batching) else 0,
        )
        for batch in _batches(counted, counts, writer.records_done):
            began = time.perf_counter()
            before = text_counts(encoder.encoder, encoder.cutter)
            entries = encoder.entries(batch)
            rows = encoder.rows(entries, writer)
            with told_of_documents() if encoder.cutter is not None else nullcontext():
                writer.add(
                    entries,
                    rows,
                    records_done=counts.read + counts.skipped,
                    counts=text_counts(encoder.encoder, encoder.cutter, since=before),
                )
            meter.add(batch, rows, time.perf_counter() - began)
            progress(len(batch))
        meter.close()
        generation = writer.commit()
    collection = Collection.open(out)
    return IndexSummary(
        path=str(out),
        generation=generation,
        documents=n_documents(collection),
        passages=collection.n_documents if encoder.cutter is not None else None,
        skipped=counts.skipped,
        truncated=collection.manifest.counts.get("truncated", 0),
        split=collection.manifest.counts.get("split", 0),
        seconds=round(time.perf_counter() - started, 3),
        size_bytes=collection.size_bytes,
        fields=dict(encoder.plan.weights),
    )


def source_fingerprint(source: Path | str, settings: Mapping[str, object]) -> dict[str, object] | None:
    """What identifies an input: its files by path, size and time, and how they are read.

    None for standard input, which cannot be read a second time.
    """
    from lsr.data.streams import STANDARD_INPUT

    if str(source) == STANDARD_INPUT:
        return None
    root = Path(source)
    paths = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    files = [[str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    return {"files": files, **settings}


def available_threads() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batches(documents: Iterable[Document], counts: ReadReport, records_done: int) -> Iterator[list[Document]]:
    """Documents by the batch, after the first ``records_done`` records of their source."""
    stream = iter(documents)
    while counts.read + counts.skipped < records_done and next(stream, None) is not None:
        pass
    for size in chain(FIRST_BATCHES, repeat(BATCH)):
        batch = list(islice(stream, size))
        if not batch:
            return
        yield batch


def _documents_only(documents: Iterable[Document]) -> Iterator[Document]:
    """Raises InvalidArgumentError at once for a file's name, and at the first item that is no Document."""
    if isinstance(documents, str | Path):
        raise InvalidArgumentError(
            f"documents must be Documents, not the name {str(documents)!r};"
            " lsr.data.readers.read_documents(path) reads those of a file",
            field="documents",
        )
    return _each_a_document(documents)


def _each_a_document(documents: Iterable[Document]) -> Iterator[Document]:
    from lsr.data.documents import Document

    for at, document in enumerate(documents):
        if not isinstance(document, Document):
            raise InvalidArgumentError(
                f"documents[{at}] is a {type(document).__name__}, not a Document; write lsr.Document(id, text)",
                field="documents",
            )
        yield document


def _counting(documents: Iterable[Document], counts: ReadReport) -> Iterator[Document]:
    for document in documents:
        counts.read += 1
        yield document
