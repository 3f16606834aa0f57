"""What building an index adds to a process's memory, from what determines it.

Documents wait in memory, as vectors and texts, until the writer puts them on disk; then a segment is built,
field by field, with its arrays mapped and its lists in memory; a counted field's vocabulary grows meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsr.indexer.limits import WriterLimits

WAITING_BYTES = 8  # of a non-zero that waits: its term and its value
WAITING_DOCUMENT_BYTES = 250  # of a document that waits, besides its texts and vectors

# A counted field's terms go with a power of the documents (Heaps' law; 0.53 to 0.61 on three collections). Each
# holds its text, places in two tables, and the analyzer's memory of the words that it is the stem of.
HEAPS_EXPONENT = 0.58
TERM_MEMORY = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """Sums over the documents of a build so far.

    nonzeros: by field; stored_bytes: of a non-zero in the index, by field, with its share of the lists
    terms:    of all counted fields
    seconds:  that the documents took
    """

    documents: int
    text_bytes: int
    nonzeros: Mapping[str, int]
    stored_bytes: Mapping[str, float]
    terms: int
    seconds: float


def growth(seen: Seen, expected: float, rate: float, limits: WriterLimits) -> float:
    """Bytes that a build adds to a process's memory at its peak.

    expected: documents of the whole build, infinity where nobody knows; rate: documents a second
    """
    texts = seen.text_bytes / seen.documents + WAITING_DOCUMENT_BYTES
    each = {field: count / seen.documents for field, count in seen.nonzeros.items()}
    held = texts + WAITING_BYTES * sum(each.values())
    waiting = min(expected, limits.waiting_bytes / held, limits.waiting_seconds * rate)
    copied = max(waiting * WAITING_BYTES * count for count in each.values())  # a field's batches, joined
    segment = max(
        min(expected * count, limits.segment_nonzeros) * seen.stored_bytes[field]
        for field, count in each.items()
    )
    if limits.resumable:  # the commit begins by putting what waits on disk, and maps it from there
        peak = max(waiting * held + copied, copied + segment)
    else:
        peak = waiting * held + max(copied, segment)
    return peak + _vocabulary(seen, expected)


def _vocabulary(seen: Seen, expected: float) -> float:
    if expected <= seen.documents or expected == float("inf"):
        return 0.0
    factor: float = (expected / seen.documents) ** HEAPS_EXPONENT
    return TERM_MEMORY * seen.terms * (factor - 1)
