"""What a build will take, said early: measured on its first batches, for as many documents as are expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsr.resident import peak_resident_bytes
from lsr.vectors import SparseVectors, TermCounts

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.indexer.fields import WeightStorage
    from lsr.indexing import IndexPlan
    from lsr.vocabulary import Vocabulary

# Bytes a non-zero takes on disk, forward index and lists together: on the sample and on msmarco-dl 10.7 and 9.9
# (encoded), 16 and 13.7 (counted); smaller weights save what they are smaller by.
ENCODED_BYTES: Mapping[str, float] = {"float32": 10.0, "float16": 8.0, "uint8": 7.0}
COUNTED_BYTES = 14.0
TERM_BYTES = 4  # of a vocabulary entry besides its text
DOCUMENT_BYTES = 57.0  # of a document besides its texts: its row, number and id
BUILDING_SHARE = 1.5  # of the index's size: what building it adds to the resident memory (measured: 1.3 to 1.8)
WARM_UP = 1  # batches that are too slow to count: threads start, memory is touched for the first time


@dataclass(frozen=True, slots=True)
class Forecast:
    """documents, seconds and output_bytes are None where nobody knows how many documents there are.

    memory_bytes: resident memory at its peak, the model and the mapped files included
    output_bytes: of the index, or of the vectors
    batch_tokens: that the model computes at once; 0 without a model
    """

    model: str
    documents: int | None
    documents_per_second: float
    seconds: float | None
    memory_bytes: int
    output_bytes: int | None
    batch_tokens: int = 0


class Meter:
    """Measures the first batches of a build and reports once what the whole will take."""

    def __init__(
        self,
        plan: IndexPlan,
        vocabulary: Vocabulary | None,
        expected: int | None,
        *,
        memory: int,
        report: Callable[[Forecast], None],
        batch_tokens: int = 0,
    ) -> None:
        """vocabulary: the model's, stored with the index; expected: documents of the whole source; memory: what
        the writer may hold."""
        self._fixed = sum(len(term.encode()) + TERM_BYTES for term in vocabulary) if vocabulary else 0
        self._plan = plan
        self._expected = expected
        self._memory = memory
        self._batch_tokens = batch_tokens
        self._report: Callable[[Forecast], None] | None = report
        self._batches: list[_Batch] = []

    def add(
        self, documents: Sequence[Document], rows: Mapping[str, SparseVectors | TermCounts], seconds: float
    ) -> None:
        """A batch is done, from its texts to the writer."""
        if self._report is None:
            return
        n_bytes = _document_bytes(documents) + _rows_bytes(rows, self._plan.storage)
        self._batches.append(_Batch(len(documents), n_bytes, seconds))
        if len(self._batches) > WARM_UP:
            self.close()

    def close(self) -> None:
        """Report now, if there is anything and it was not done before."""
        if self._report is not None and self._batches:
            self._report(self._forecast())
            self._report = None

    def _forecast(self) -> Forecast:
        timed = self._batches[WARM_UP:] or self._batches
        rate = sum(batch.documents for batch in timed) / max(1e-9, sum(batch.seconds for batch in timed))
        size = sum(batch.bytes for batch in self._batches) / sum(batch.documents for batch in self._batches)
        known = self._expected
        index_bytes = None if known is None else int(self._fixed + size * known)
        return Forecast(
            model=self._plan.model,
            documents=known,
            documents_per_second=rate,
            seconds=None if known is None else known / rate,
            memory_bytes=peak_resident_bytes() + int(self._growth(index_bytes)),
            output_bytes=index_bytes,
            batch_tokens=self._batch_tokens,
        )

    def _growth(self, index_bytes: int | None) -> float:
        """What the writer adds: documents waiting, then the segment's files and lists while they are built."""
        return self._memory if index_bytes is None else min(self._memory, BUILDING_SHARE * index_bytes)


@dataclass(frozen=True, slots=True)
class _Batch:
    documents: int
    bytes: float
    seconds: float


def _document_bytes(documents: Sequence[Document]) -> float:
    texts = "".join(f"{each.id}{each.title}{each.text}{json.dumps(dict(each.metadata))}" for each in documents)
    return len(texts.encode("utf-8", "replace")) + DOCUMENT_BYTES * len(documents)


def _rows_bytes(rows: Mapping[str, SparseVectors | TermCounts], storage: WeightStorage) -> float:
    return sum(
        each.nnz * (ENCODED_BYTES[storage] if isinstance(each, SparseVectors) else COUNTED_BYTES)
        for each in rows.values()
    )
