"""Milliseconds by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the time of named stages; a stage entered twice counts twice."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._took: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._took[name] = self._took.get(name, 0.0) + (time.perf_counter() - started) * 1000

    def took_ms(self, before_ms: float = 0.0) -> dict[str, float]:
        """Milliseconds by stage and their ``total``, which starts ``before_ms`` before this stopwatch."""
        total = (time.perf_counter() - self._started) * 1000 + before_ms
        return {name: round(value, 3) for name, value in {**self._took, "total": total}.items()}
