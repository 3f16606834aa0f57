"""What the slow suite shares: sentence-transformers as the reference, its vectors kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lsr.eval.cache import Side, VectorCache, default_cache_folder
from scipy.sparse import csr_matrix, vstack

from lsr.vectors import SparseVectors

CHUNK = 128  # texts whose dense vectors are held at a time: 16 MB

ReferenceVectors = Callable[[Side, Sequence[str]], SparseVectors]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Several threads that wait for one another are slower than one on a busy machine."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference_vectors() -> ReferenceVectors:
    """splade-tiny by sentence-transformers, 256 tokens, float32. Slow the first time, then from the cache."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    from lsr.encoders.loading import SPLADE_TINY

    body = Transformer(str(SPLADE_TINY.locate()), transformer_task="fill-mask", max_seq_length=256)
    model: Any = sentence_transformers.SparseEncoder(modules=[body, SpladePooling("max")], device="cpu")
    n_terms = len(model.tokenizer)
    cache = VectorCache(default_cache_folder())
    identity = f"sentence-transformers {sentence_transformers.__version__} splade-tiny 256"

    def vectors(side: Side, texts: Sequence[str]) -> SparseVectors:
        method = model.encode_document if side == "document" else model.encode_query

        def encode(missing: Sequence[str]) -> tuple[SparseVectors, npt.NDArray[np.bool_]]:
            chunks = [list(missing[at : at + CHUNK]) for at in range(0, len(missing), CHUNK)]
            dense = (method(chunk, batch_size=2, convert_to_sparse_tensor=False).numpy() for chunk in chunks)
            joined = vstack([csr_matrix(each) for each in dense], format="csr")
            return SparseVectors.from_scipy(joined), np.zeros(len(missing), np.bool_)

        return cache.vectors(identity, side, texts, encode, n_terms).vectors

    return vectors
