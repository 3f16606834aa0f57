"""What format readers hand over: one record of a source, still with its own field names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lsr.errors import InputError


@dataclass(frozen=True, slots=True)
class Record:
    """values: the fields; line: where it begins in ``path``, from 1 (None where lines mean nothing)."""

    path: str
    line: int | None
    values: Mapping[str, object]

    def placed(self, error: InputError) -> InputError:
        """The same error, with this record's place before it."""
        placed = type(error)(str(error), path=self.path, line=self.line, field=error.field)
        placed.__cause__ = error.__cause__
        return placed
