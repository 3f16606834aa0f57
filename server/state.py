"""The generation being served, and the watch that swaps it when a commit appears.

A request takes the pipeline once, at its start, and keeps it to its end; so an answer never mixes two states.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsr.errors import LsrError
from lsr.pipeline import Pipeline

if TYPE_CHECKING:
    from lsr.indexer.collection import Collection

logger = logging.getLogger(__name__)


class Generations:
    """Holds the current pipeline. ``on_change`` is called with each new one, and with the first.

    warm_up: called with a pipeline of other models before it is served; what it raises keeps the old one
    """

    def __init__(
        self,
        pipeline: Pipeline,
        on_change: Callable[[Pipeline], None],
        warm_up: Callable[[Pipeline], object] = lambda _: None,
    ) -> None:
        self._current = pipeline
        self._on_change = on_change
        self._warm_up = warm_up
        self._hindrance = ""
        self._swapping = asyncio.Lock()
        on_change(pipeline)

    @property
    def current(self) -> Pipeline:
        return self._current

    async def watch(self, every_s: float) -> None:
        """Look for a new generation until cancelled. What cannot be read now is tried again, and told once."""
        while True:
            await asyncio.sleep(every_s)
            await self.refresh()

    async def refresh(self) -> None:
        """Swap to the newest generation, if there is a newer one.

        One at a time: of two at once, the one that took longer to open an older generation would put it back.
        """
        async with self._swapping:
            await self._swap()

    async def _swap(self) -> None:
        before = self._current
        try:
            collection = await asyncio.to_thread(before.collection.refresh)
            if collection is not before.collection:
                self._current = await asyncio.to_thread(self._moved, before, collection)
        except Exception as error:  # a model's files can fail in any way; the watch outlives it
            self._tell(before, error)
            return
        self._hindrance = ""
        if self._current is not before:
            logger.info(
                "serving generation %d of %s",
                self._current.collection.generation,
                self._current.collection.path,
            )
            self._on_change(self._current)

    def _tell(self, before: Pipeline, error: Exception) -> None:
        """Once, for it may stay for days and is met every second; with a traceback if it is unforeseen."""
        if str(error) != self._hindrance:
            unknown = None if isinstance(error, LsrError | OSError) else error
            generation = before.collection.generation
            logger.warning("still serving generation %d: %s", generation, error, exc_info=unknown)
        self._hindrance = str(error)

    def _moved(self, before: Pipeline, collection: Collection) -> Pipeline:
        """The pipeline over a newer generation, ready to answer."""
        pipeline = before.at(collection)
        if collection.path != before.collection.path:  # an alias was swapped
            self._warm_up(pipeline)
        return pipeline
