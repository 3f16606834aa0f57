"""Records from Parquet, a batch of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lsr.data.records import Record
from lsr.data.report import ReadReport

from lsr.errors import InputError

BATCH_ROWS = 1000


def read_parquet(path: Path, report: ReadReport) -> Iterator[Record | InputError]:
    """Each row as a record; its "line" is the row's number, from 1.

    Raises InputError if the file is damaged.
    """
    with _damage_named(path):
        n_rows, size, row = count_rows(path), path.stat().st_size, 0
        report.enter(lambda: size * row // n_rows if n_rows else size)
        for row, values in enumerate(_rows(path), 1):
            yield _record(str(path), row, values)
        report.leave()


def count_rows(path: Path) -> int:
    """From the file's footer. Raises InputError if it has none."""
    import pyarrow.parquet

    with _damage_named(path):
        return int(pyarrow.parquet.read_metadata(path).num_rows)


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield from batch.to_pylist()


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot be read as Parquet: {_first_line(error)}", path=str(path)) from error


def _record(path: str, row: int, values: Mapping[str, object]) -> Record | InputError:
    try:
        return Record(path, row, {name: _plain(value, name) for name, value in values.items()})
    except InputError as error:
        return InputError(str(error), path=path, line=row, field=error.field)


def _plain(value: object, name: str) -> object:
    """The value as JSON can hold it: dates and decimals as text, a number that is none as null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(entry, name) for entry in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(entry, name) for key, entry in value.items()}
    if isinstance(value, bytes):
        raise InputError(f'field "{name}" holds bytes, not text; leave it out, or write it as text', field=name)
    return str(value)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
