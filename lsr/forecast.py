"""What a build will take, said early: measured on its first batches, for as many documents as are expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsr.growth import Seen, growth
from lsr.resident import peak_resident_bytes
from lsr.vectors import SparseVectors, TermCounts

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.indexer.writer import CollectionWriter
    from lsr.vocabulary import Vocabulary

# Bytes a non-zero takes on disk, forward index and lists together: on the sample and on msmarco-dl 10.7 and 9.9
# (encoded), 16 and 13.7 (counted); smaller weights save what they are smaller by. As much is resident while the
# lists are built from the mapped arrays (9.1 to 10.8 measured, over 4.6 to 32 million non-zeros).
ENCODED_BYTES: Mapping[str, float] = {"float32": 10.0, "float16": 8.0, "uint8": 7.0}
COUNTED_BYTES = 14.0
FOLDER_BYTES = (
    11_000  # of an index without documents: its manifest, headers of some 30 files, SQLite's first pages
)
TERM_BYTES = 4  # of a vocabulary entry besides its text
DOCUMENT_BYTES = 57.0  # of a document besides its texts: its row, number and id
WARM_UP = 1  # batches that are too slow to count: threads start, memory is touched for the first time
PATIENCE_SECONDS = 20.0  # the forecast of a slow model does not wait longer for a batch of full size


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
    """Measures the first batches of a build and reports once what the whole will take.

    It waits for one batch of full size, which decides what the model holds, if that does not take long.
    """

    def __init__(
        self,
        writer: CollectionWriter,
        vocabulary: Vocabulary | None,
        expected: int | None,
        *,
        model: str,
        full_batch: int,
        report: Callable[[Forecast], None],
        batch_tokens: int = 0,
    ) -> None:
        """vocabulary: the model's, stored with the index; expected: documents of the whole source; full_batch:
        how many documents a batch has at most."""
        terms = sum(len(term.encode()) + TERM_BYTES for term in vocabulary) if vocabulary else 0
        self._fixed = FOLDER_BYTES + terms
        self._writer = writer
        self._counted = [field.name for field in writer.fields if field.kind == "counted"]
        self._stored_bytes = {
            field.name: COUNTED_BYTES if field.kind == "counted" else ENCODED_BYTES[field.storage]
            for field in writer.fields
        }
        self._expected = expected
        self._model = model
        self._full_batch = full_batch
        self._batch_tokens = batch_tokens
        self._report: Callable[[Forecast], None] | None = report
        self._batches: list[_Batch] = []

    def add(
        self, documents: Sequence[Document], rows: Mapping[str, SparseVectors | TermCounts], seconds: float
    ) -> None:
        """A batch is done, from its texts to the writer."""
        if self._report is None:
            return
        nonzeros = {name: each.nnz for name, each in rows.items()}
        self._batches.append(_Batch(len(documents), _text_bytes(documents), nonzeros, seconds))
        waited = sum(batch.seconds for batch in self._batches)
        if len(self._batches) > WARM_UP and (len(documents) >= self._full_batch or waited > PATIENCE_SECONDS):
            self.close()

    def close(self) -> None:
        """Report now, if there is anything and it was not done before."""
        if self._report is not None and self._batches:
            self._report(self._forecast())
            self._report = None

    def _forecast(self) -> Forecast:
        seen, timed = self._seen(self._batches), self._seen(self._batches[WARM_UP:] or self._batches)
        known = self._expected
        rate = timed.documents / timed.seconds
        expected = float("inf") if known is None else float(known)
        return Forecast(
            model=self._model,
            documents=known,
            documents_per_second=rate,
            seconds=None if known is None else known / rate,
            memory_bytes=peak_resident_bytes() + int(growth(seen, expected, rate, self._writer.limits)),
            output_bytes=None if known is None else int(self._fixed + known * _file_bytes(seen)),
            batch_tokens=self._batch_tokens,
        )

    def _seen(self, batches: Sequence[_Batch]) -> Seen:
        return Seen(
            documents=sum(batch.documents for batch in batches),
            text_bytes=sum(batch.text_bytes for batch in batches),
            nonzeros={name: sum(batch.nonzeros[name] for batch in batches) for name in self._stored_bytes},
            stored_bytes=self._stored_bytes,
            terms=sum(len(self._writer.vocabulary(name)) for name in self._counted),
            seconds=max(1e-9, sum(batch.seconds for batch in batches)),
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    documents: int
    text_bytes: int
    nonzeros: Mapping[str, int]
    seconds: float


def _file_bytes(seen: Seen) -> float:
    """Of an average document in the index."""
    stored = sum(count * seen.stored_bytes[name] for name, count in seen.nonzeros.items())
    return DOCUMENT_BYTES + (seen.text_bytes + stored) / seen.documents


def _text_bytes(documents: Sequence[Document]) -> int:
    texts = "".join(f"{each.id}{each.title}{each.text}{json.dumps(dict(each.metadata))}" for each in documents)
    return len(texts.encode("utf-8", "replace"))
