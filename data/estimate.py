"""How many documents a source will give, before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lsr.data.formats import Format, Part, parts_of, total_size
from lsr.data.parquet import count_rows
from lsr.data.streams import as_source, numbered_lines, open_stream

SAMPLED_BYTES = 4_000_000


def estimate_documents(source: Path | str, *, format: Format | str | None = None) -> int | None:  # noqa: A002
    """Exact for Parquet, for folders of texts and for small files; else from the first lines' mean length.

    None for standard input. Raises what ``read_documents`` raises for a source that is not there.
    """
    parts = parts_of(as_source(source), format)
    size = total_size(parts)
    if size is None:
        return None
    if parts[0].format is Format.TEXT:
        return len(parts)
    if parts[0].format is Format.PARQUET:
        return sum(count_rows(Path(part.source)) for part in parts)
    return _by_lines(parts, size)


def _by_lines(parts: Sequence[Part], size: int) -> int:
    """Lines of the first megabytes, scaled by how much of the source (as it lies on disk) they took."""
    n_lines = n_bytes = 0
    on_disk = 0
    for part in parts:
        with open_stream(part.source) as stream:
            for _, line in numbered_lines(stream):
                n_lines += not line.isspace()
                n_bytes += len(line)
                if n_bytes >= SAMPLED_BYTES:
                    taken = on_disk + stream.position()
                    return max(n_lines, round(n_lines * size / taken))
            on_disk += stream.position()
    return n_lines
