"""BM25 in the form of Lucene 8 and later: without the constant factor (k1 + 1), which changes no order.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009;
Kamphuis et al., "Which BM25 do you mean?", ECIR 2020, for Lucene's variant. Document lengths are exact here,
where Lucene rounds them to one byte.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def impacts(
    counts: npt.NDArray[np.unsignedinteger],
    lengths: npt.NDArray[np.unsignedinteger],
    *,
    average_length: float,
    k1: float,
    b: float,
) -> npt.NDArray[np.float32]:
    """tf / (tf + k1 (1 - b + b length / average)), shape (nnz,), rounded once to float32.

    lengths: the length of the document each count belongs to, shape (nnz,).
    """
    frequency = counts.astype(np.float64)
    normalised = lengths.astype(np.float64) / (average_length if average_length > 0 else 1.0)
    return (frequency / (frequency + k1 * (1.0 - b + b * normalised))).astype(np.float32)


def idf(document_frequencies: npt.NDArray[np.integer], n_documents: int) -> npt.NDArray[np.float64]:
    """ln(1 + (N - df + 0.5) / (df + 0.5)), always above zero."""
    df = document_frequencies.astype(np.float64)
    return np.log1p((n_documents - df + 0.5) / (df + 0.5))
