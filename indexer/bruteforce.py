"""The answer by definition, in numpy: every live document's stored vector against every query.

Independent of lists, bounds and native code. Sums run in float64 over (field, term) ascending, one addition
after another (``np.add.at`` keeps that order, ``sum`` and ``reduceat`` do not), so scores are equal to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from lsr.indexer.collection import Collection, Hits
from lsr.indexer.queries import MergedQueries

_CHUNK_ROWS = 8192

Float64Array = npt.NDArray[np.float64]


def best_by_brute_force(collection: Collection, queries: MergedQueries, k: int) -> list[Hits]:
    """The k best live documents of each query, as ``Collection.search`` defines them."""
    best = [Hits(np.zeros(0, np.int64), np.zeros(0)) for _ in range(len(queries))]
    for numbers, scores in _scored_chunks(collection, queries):
        best = [
            _best(np.concatenate([hits.numbers, numbers[np.isfinite(row)]]), joined, k)
            for hits, row in zip(best, scores, strict=True)
            for joined in [np.concatenate([hits.scores, row[np.isfinite(row)]])]
        ]
    return best


def _scored_chunks(
    collection: Collection, queries: MergedQueries
) -> Iterator[tuple[npt.NDArray[np.int64], Float64Array]]:
    """Numbers of some live documents, and their scores, shape (n queries, n documents), -inf without a
    match.
    """
    tables = [_weight_tables(collection, queries, row) for row in range(len(queries))]
    for at, segment in enumerate(collection.segments):
        live = collection.live_positions(at)
        for start in range(0, segment.n_documents, _CHUNK_ROWS):
            stop = min(start + _CHUNK_ROWS, segment.n_documents)
            scores = np.zeros((len(queries), stop - start))
            matched = np.zeros(scores.shape, np.bool_)
            for field, entry in enumerate(collection.manifest.fields):
                rows = segment.weights(entry.name, start, stop)
                row_of = np.repeat(np.arange(stop - start), rows.sizes)
                for query, by_field in enumerate(tables):
                    weights = by_field[field][rows.terms]
                    common = weights > 0
                    products = weights[common] * rows.values[common].astype(np.float64)
                    np.add.at(scores[query], row_of[common], products)
                    matched[query, row_of[common]] = True
            scores[~matched] = -np.inf
            kept = live[start:stop]
            yield segment.numbers[start:stop][kept], scores[:, kept]


def _weight_tables(collection: Collection, queries: MergedQueries, row: int) -> list[Float64Array]:
    """The query's weight of every term, one table a field; 0 where it has none."""
    fields, terms, weights = queries.row(row)
    tables = [np.zeros(entry.n_terms) for entry in collection.manifest.fields]
    for field, table in enumerate(tables):
        chosen = fields == field
        table[terms[chosen]] = weights[chosen]
    return tables


def _best(numbers: npt.NDArray[np.int64], scores: Float64Array, k: int) -> Hits:
    order = np.lexsort((numbers, -scores))[:k]
    return Hits(numbers[order], scores[order])
