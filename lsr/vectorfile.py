"""Vectors as JSON lines in Anserini's form: ``{"id": …, "contents": …, "vector": {term: weight}}``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.encoders.expansion import document_text

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.encoders.base import SparseEncoder
    from lsr.vectors import SparseVectors

BATCH = 1024


def write_vectors(
    documents: Iterable[Document],
    path: Path,
    encode: Callable[[Sequence[str]], SparseVectors],
    encoder: SparseEncoder,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Encode documents and write one line each, heaviest terms first; returns how many.

    encode: the encoder's side to use, documents or queries
    The file appears under its name when it is complete; a failure leaves what was there before.
    """
    info = encoder.describe()
    scratch = path.with_name(f"{path.name}.part")
    written = 0
    stream = iter(documents)
    try:
        with scratch.open("w", encoding="utf-8") as file:
            while batch := list(islice(stream, BATCH)):
                texts = [document_text(document, info) for document in batch]
                rows = encode(texts).to_dicts(encoder.vocabulary)
                for document, text, vector in zip(batch, texts, rows, strict=True):
                    file.write(vector_line(document.id, text, vector))
                written += len(batch)
                progress(len(batch))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return written


def vector_line(name: str, text: str, vector: dict[str, float]) -> str:
    """Weights with as many digits as give the same float32 back."""
    short = {term: float(f"{weight:.9g}") for term, weight in vector.items()}
    return json.dumps({"id": name, "contents": text, "vector": short}, ensure_ascii=False) + "\n"
