"""What a segment holds twice: arrays that follow from others, held against them.

Checksums tell that a file is what was written; this tells that what was written was right. A search reads the
inverted lists and, for filters, metadata by value; lists that contradict the forward index lose documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from lsr.indexer.arrays import Array
from lsr.indexer.kernels import check_lists
from lsr.indexer.manifest import FieldEntry
from lsr.indexer.metadata import PREFIX, MetadataBuilder
from lsr.indexer.segments import Segment, impacts_of

from lsr.errors import IndexCorruptError

CHUNK_ROWS = 8192


def metadata_problems(segment: Segment) -> Iterator[tuple[str, str]]:
    """(file's name without suffix, what is wrong) of metadata by value, against those in the documents."""
    builder = MetadataBuilder()
    try:
        for documents in segment.documents.metadata():
            builder.add(documents)
    except IndexCorruptError as error:
        yield f"{PREFIX}keys", str(error)
        return
    expected = {name.removeprefix(PREFIX): array for name, array in builder.arrays().items()}
    for name in _different(expected, segment.columns(PREFIX)):
        yield f"{PREFIX}{name}", "metadata by value and those of the documents contradict each other"


def list_problems(segment: Segment, entry: FieldEntry, *, threads: int) -> Iterator[tuple[str, str]]:
    """The same of a field's inverted lists, against its forward index, which must be sound."""
    rows = (segment.column(f"{entry.name}.{part}") for part in ("indptr", "terms", "weights"))
    indptr, terms, weights = rows
    prefix = f"{entry.name}.lists."
    found = check_lists(
        indptr,  # type: ignore[arg-type]
        terms,
        weights,
        segment.columns(prefix),
        threads=threads,
        scale=entry.scale or 1.0,
    )
    for name, what in sorted(found.items()):
        yield f"{prefix}{name}", f"inverted lists and the documents' vectors contradict each other: {what}"


def impact_problems(segment: Segment, entry: FieldEntry) -> Iterator[tuple[str, str]]:
    """The same of a counted field's impacts, against its counts and lengths."""
    counts = segment.forward(entry.name)
    for start in range(0, segment.n_documents, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, segment.n_documents)
        rows = counts.rows(start, stop)
        stored = segment.weights(entry.name, start, stop)
        if not np.array_equal(impacts_of(rows, rows.sizes, entry), stored.values):
            yield f"{entry.name}.weights", "impacts are not those of the documents' counts and lengths"
            return


def _different(expected: Mapping[str, Array], stored: Mapping[str, Array]) -> list[str]:
    """Names of arrays that are not the same in both."""
    return [
        name
        for name in sorted(expected.keys() | stored.keys())
        if name not in expected
        or name not in stored
        or expected[name].dtype != stored[name].dtype
        or not np.array_equal(expected[name], stored[name])
    ]
