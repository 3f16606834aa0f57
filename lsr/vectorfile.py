"""Vectors as JSON lines in Anserini's form: ``{"id": …, "contents": …, "vector": {term: weight}}``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.encoders.base import Batching
from lsr.encoders.expansion import document_text
from lsr.forecast import PATIENCE_SECONDS, Forecast
from lsr.resident import peak_resident_bytes

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.encoders.base import SparseEncoder
    from lsr.vectors import SparseVectors

# Documents encoded together; the first batch is small, so that a slow model's forecast need not wait.
FIRST_BATCH, BATCH = 128, 1024


def write_vectors(
    documents: Iterable[Document],
    path: Path,
    encode: Callable[[Sequence[str]], SparseVectors],
    encoder: SparseEncoder,
    *,
    expected: int | None = None,
    on_forecast: Callable[[Forecast], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Encode documents and write one line each, heaviest terms first; returns how many.

    encode: the encoder's side to use, documents or queries
    expected: documents there are, if that is known or can be guessed; for the forecast
    on_forecast: called once, after a batch of full size, or before that if a model is slow or the source short
    The file appears under its name when it is complete; a failure leaves what was there before.
    """
    info = encoder.describe()
    scratch = path.with_name(f"{path.name}.part")
    written, told = 0, False
    stream = iter(documents)
    started = time.perf_counter()

    def tell() -> None:
        on_forecast(_forecast(encoder, expected, written, time.perf_counter() - started, file.tell()))

    try:
        with scratch.open("w", encoding="utf-8") as file:
            while batch := list(islice(stream, BATCH if written else FIRST_BATCH)):
                texts = [document_text(document, info) for document in batch]
                rows = encode(texts).to_dicts(encoder.vocabulary)
                for document, text, vector in zip(batch, texts, rows, strict=True):
                    file.write(vector_line(document.id, text, vector))
                written += len(batch)
                slow = time.perf_counter() - started > PATIENCE_SECONDS
                if not told and (slow or len(batch) == BATCH):
                    tell()
                    told = True
                progress(len(batch))
            if written and not told:
                tell()
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return written


def _forecast(
    encoder: SparseEncoder, expected: int | None, written: int, seconds: float, n_bytes: int
) -> Forecast:
    """What all documents will take, by the first ``written``: the same memory, more time and a longer file."""
    return Forecast(
        model=encoder.describe().name,
        documents=expected,
        documents_per_second=written / seconds,
        seconds=None if expected is None else expected / written * seconds,
        memory_bytes=peak_resident_bytes(),
        output_bytes=None if expected is None else expected * n_bytes // written,
        batch_tokens=encoder.batch_tokens if isinstance(encoder, Batching) else 0,
    )


def vector_line(name: str, text: str, vector: dict[str, float]) -> str:
    """Weights with as many digits as give the same float32 back."""
    short = {term: float(f"{weight:.9g}") for term, weight in vector.items()}
    return json.dumps({"id": name, "contents": text, "vector": short}, ensure_ascii=False) + "\n"
