"""splade-tiny on real passages: the vectors of sentence-transformers to 1e-4, over the union of supports."""

from __future__ import annotations

import gzip
import json
import logging
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsr.encoders.loading import load_encoder

logger = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def scifact() -> Path:
    root = os.environ.get("LSR_COLLECTIONS")
    if not root or not (Path(root) / "scifact").is_dir():
        pytest.skip("LSR_COLLECTIONS names no folder with scifact")
    return Path(root) / "scifact"


def texts_of(path: Path, count: int) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in islice(lines, count)]
    return [f"{record.get('title', '')} {record['text']}".strip() for record in records]


def check_parity(
    reference: Any, passages: Sequence[str], queries: Sequence[str], *, length: int | None = None
) -> None:
    encoder = load_encoder("splade-tiny", threads=1, document_length=length, query_length=length)
    for texts, encode, method in (
        (passages, encoder.encode_documents, reference.encode_document),
        (queries, encoder.encode_queries, reference.encode_query),
    ):
        expected = method(list(texts), batch_size=2, convert_to_sparse_tensor=False).numpy()
        difference = float(np.abs(encode(texts).to_scipy().toarray() - expected).max())
        logger.info("%d texts: weights differ by at most %.2g", len(texts), difference)
        assert difference <= 1e-4
    assert encoder.statistics.truncated > 0


def test_parity(scifact: Path, splade_tiny_reference: Any) -> None:
    """Many passages cut to 64 tokens, which is quick, and some in full length."""
    passages, queries = texts_of(scifact / "corpus.jsonl.gz", 200), texts_of(scifact / "queries.jsonl.gz", 50)
    check_parity(splade_tiny_reference, passages[:20], queries)
    splade_tiny_reference.max_seq_length = 64
    try:
        check_parity(splade_tiny_reference, passages, queries, length=64)
    finally:
        splade_tiny_reference.max_seq_length = 256


@pytest.mark.slow
def test_parity_in_full(scifact: Path, splade_tiny_reference: Any) -> None:
    passages, queries = texts_of(scifact / "corpus.jsonl.gz", 500), texts_of(scifact / "queries.jsonl.gz", 100)
    check_parity(splade_tiny_reference, passages, queries)
