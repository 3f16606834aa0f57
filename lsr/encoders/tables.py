"""Inference-free queries: every distinct token has its weight in a table, so a query costs no model at all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsr.encoders.base import EncodeStatistics
from lsr.encoders.checks import check_texts, require_table
from lsr.encoders.composition import TableParts
from lsr.encoders.left_out import left_out_terms
from lsr.encoders.shaping import Shaping
from lsr.encoders.tokens import TextTokenizer, Tokens
from lsr.errors import ModelError
from lsr.indexer.fields import QueryTable
from lsr.vectors import SparseVectors, UInt32Array

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Float32Array = npt.NDArray[np.float32]

# The published table of OpenSearch's models gives 1 to tokens that its corpus never held.
UNSEEN_WEIGHT = 1.0


class TableSide:
    """weight(t) = max(0, table[t]) for each distinct token t of the text, times its occurrences if they count.

    Sources: OpenSearch's neural sparse tuning sample and sentence-transformers' SparseStaticEmbedding for sets
    weighted by a table; the unified framework's BINARY encoder for weights of 1.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        table: Float32Array,
        *,
        repeats_count: bool = False,
        shaping: Shaping | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._table = np.maximum(table, 0)
        self._repeats_count = repeats_count
        self._shaping = shaping if shaping is not None else Shaping()
        self._counted = EncodeStatistics()

    @property
    def statistics(self) -> EncodeStatistics:
        return self._counted

    @property
    def kernel_name(self) -> str:
        return "none"

    @property
    def batch_tokens(self) -> int:
        return 0

    def encode(self, texts: Sequence[str]) -> SparseVectors:
        check_texts(texts)
        tokens = self._tokenizer(texts)
        self._counted += EncodeStatistics(
            texts=len(tokens), tokens=len(tokens.ids), truncated=int(tokens.truncated.sum())
        )
        alone = len(tokens) == 1 and tokens.terms is None and not self._repeats_count
        return self._shaping(self._alone(tokens) if alone else self._many(tokens))

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        tokens = self._tokenizer([text])
        own = tokens.terms if tokens.terms is not None else tokens.ids
        places = self._tokenizer.places(text)
        first = {int(term): at for at, term in reversed(list(enumerate(own)))}
        return [places[first[term]] if term in first else None for term in terms.tolist()]

    def _alone(self, tokens: Tokens) -> SparseVectors:
        """What ``_many`` gives for one text, at a third of its fixed cost: a lone query waits for it."""
        distinct = np.array(sorted(set(tokens.ids.tolist())), np.uint32)
        weights = self._table[distinct]
        kept = weights > 0
        if not kept.all():
            distinct, weights = distinct[kept], weights[kept]
        return SparseVectors(np.array([0, len(distinct)], np.int64), distinct, weights, len(self._table))

    def _many(self, tokens: Tokens) -> SparseVectors:
        size = len(self._table)
        terms = tokens.terms if tokens.terms is not None else tokens.ids
        weighed = (terms >= 0) & (self._table[terms] > 0)
        pairs = (tokens.row_of * size + terms)[weighed]
        distinct, counts = np.unique(pairs, return_counts=True)
        rows, distinct_terms = np.divmod(distinct, size)
        weights = self._table[distinct_terms]
        if self._repeats_count:
            weights = weights * counts.astype(np.float32)
        indptr = np.searchsorted(rows, np.arange(len(tokens) + 1)).astype(np.int64)
        return SparseVectors(indptr, distinct_terms.astype(np.uint32), weights, size)


def idf_table(texts: Iterable[str], tokenizer: TextTokenizer, vocabulary_size: int) -> Float32Array:
    """ln(1 + (N − df + 0.5) / (df + 0.5)) for each token, shape (vocabulary_size,); 1 where df is 0.

    N: texts; df: texts that hold the token, counted on whole texts, so give a tokenizer without a length.
    """
    frequencies = np.zeros(vocabulary_size, np.int64)
    n_texts = 0
    remaining = iter(texts)
    while batch := list(islice(remaining, 4096)):
        tokens = tokenizer(batch)
        row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
        distinct = np.unique(row_of * vocabulary_size + tokens.ids) % vocabulary_size
        frequencies += np.bincount(distinct, minlength=vocabulary_size)
        n_texts += len(batch)
    weights = np.log1p((n_texts - frequencies + 0.5) / (frequencies + 0.5))
    return np.where(frequencies > 0, weights, UNSEEN_WEIGHT).astype(np.float32)


def write_idf(path: Path, table: Float32Array, terms: Sequence[str]) -> None:
    """{token: weight} as JSON, the form of the published idf.json files; there when it is complete."""
    weights = {term: float(weight) for term, weight in zip(terms, table, strict=True)}
    scratch = path.with_name(f"{path.name}.part")
    scratch.write_text(json.dumps(weights, ensure_ascii=False), encoding="utf-8")
    scratch.replace(path)


def read_table(path: Path) -> QueryTable:
    """A table's file as it is. Raises ModelNotFoundError that says how to make one, ModelError."""
    require_table(path)
    try:
        return QueryTable(path.name, path.read_bytes(), str(path))
    except OSError as error:
        raise ModelError(f"{path}: the table of query weights cannot be read: {error.strerror}.") from None


def table_file(parts: TableParts, folder: Path) -> QueryTable | None:
    """The table in an encoder's folder; None for a side without one."""
    return None if parts.table is None else read_table(folder / parts.table)


def table_weights(file: QueryTable, terms: Sequence[str]) -> Float32Array:
    """A table from a ``.json`` of {token: weight}, absent tokens 0, or a ``.safetensors`` with ``weight``.

    Raises ModelError that names the token or shape at fault.
    """
    table = _read_json_table(file, terms) if file.name.endswith(".json") else _read_tensor_table(file)
    if table.shape != (len(terms),):
        raise ModelError(f"{file}: a table of {table.shape} for a vocabulary of {len(terms)} terms.")
    if not np.all(np.isfinite(table)):
        raise ModelError(f"{file}: the weight of {terms[int(np.argmin(np.isfinite(table)))]!r} is not finite.")
    return table


def table_of(
    parts: TableParts, file: QueryTable | None, terms: Sequence[str], tokenizer: Tokenizer
) -> Float32Array:
    """The weight of each term on a side without a model; 0 for those that it leaves out.

    file: the side's table; None weighs every term 1
    """
    table = np.ones(len(terms), np.float32) if file is None else table_weights(file, terms).copy()
    left_out = left_out_terms(parts.left_out, tokenizer)
    table[left_out[left_out < len(terms)]] = 0
    return table


def _read_json_table(file: QueryTable, terms: Sequence[str]) -> Float32Array:
    try:
        weights = json.loads(file.content.decode())
    except ValueError as error:
        raise ModelError(f"{file}: no readable JSON of {{token: weight}}: {error}.") from None
    if not isinstance(weights, dict):
        raise ModelError(f"{file}: expected {{token: weight}}, found a {type(weights).__name__}.")
    ids = {term: index for index, term in enumerate(terms)}
    table = np.zeros(len(terms), np.float32)
    for token, weight in weights.items():
        if token not in ids:
            raise ModelError(f"{file}: the model's vocabulary has no token {token!r}; the table is another's.")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise ModelError(f"{file}: the weight of {token!r} is {weight!r}, not a number.")
        table[ids[token]] = weight
    return table


def _read_tensor_table(file: QueryTable) -> Float32Array:
    """``weight``, or the parts of Li-LSR that give it: ``embeddings``, ``scorer.weight``, ``scorer.bias``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(file.content)
    except SafetensorError as error:
        raise ModelError(f"{file}: no readable safetensors file: {error}.") from None
    if {"embeddings", "scorer.weight", "scorer.bias"} <= tensors.keys():
        return learned_table(tensors["embeddings"], tensors["scorer.weight"], tensors["scorer.bias"])
    if "weight" not in tensors:
        raise ModelError(f"{file}: holds {sorted(tensors)}, but a table is called 'weight'.")
    return np.asarray(tensors["weight"], np.float32).reshape(-1)


def learned_table(embeddings: Float32Array, weight: Float32Array, bias: Float32Array) -> Float32Array:
    """ReLU(⟨a, E_t⟩ + b) for each token t: a linear score of its static embedding. Source: Li-LSR.

    embeddings: (vocabulary, width); weight: (1, width); bias: (1,). Computed in float64.
    """
    scores = embeddings.astype(np.float64) @ weight.reshape(-1).astype(np.float64) + float(bias.reshape(-1)[0])
    return np.maximum(scores, 0.0).astype(np.float32)
