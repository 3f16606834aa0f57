"""One thread owns the writer: changes wait in line, are encoded with models of their own, and hold up nobody.

Segments are merged in a thread of their own, so that changes and commits go on meanwhile; the owner puts the
result in place. A change is kept, and visible, when it is committed: by ``commit=true``, ``POST /v1/commit``,
or when the server is stopped in peace.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsr.indexer.merging import Merge

from lsr.updating import Changing

if TYPE_CHECKING:
    from lsr.indexer.documents import DocumentLike
    from lsr.indexer.writer import CollectionWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What a change did.

    changed:    documents added or replaced, or deleted, by this request
    pending:    changes since the last commit; 0 = everything is kept and visible
    generation: the newest committed state
    """

    changed: int
    pending: int
    generation: int


@dataclass(frozen=True, slots=True)
class _Job:
    change: Callable[[], int]
    commit: bool
    result: Future[WriteAnswer]


class WritingThread:
    """Applies changes one after the other. ``close`` commits what is pending and lets go of the index."""

    def __init__(self, writer: CollectionWriter, changing: Changing) -> None:
        """changing: with encoders of every field of the index that are not shared with the searches'."""
        self._writer = writer
        self._changing = changing
        self._pending = 0
        self._merging = False
        self._jobs: queue.SimpleQueue[_Job | Merge | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lsr-writing", daemon=True)
        self._thread.start()

    async def add(self, documents: Sequence[DocumentLike], *, commit: bool) -> WriteAnswer:
        """Add or replace documents, all or none of them."""

        def change() -> int:
            self._changing.add(self._writer, documents)
            return len(documents)

        return await self._done(change, commit=commit)

    async def delete(self, ids: Sequence[str], *, commit: bool) -> WriteAnswer:
        """Delete documents; ids that are not there do not count."""
        return await self._done(lambda: self._changing.delete(self._writer, ids), commit=commit)

    async def commit(self) -> WriteAnswer:
        return await self._done(lambda: 0, commit=True)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    async def _done(self, change: Callable[[], int], *, commit: bool) -> WriteAnswer:
        job = _Job(change, commit, Future())
        self._jobs.put(job)
        return await asyncio.wrap_future(job.result)

    def _run(self) -> None:
        with self._writer:
            while (job := self._jobs.get()) is not None:
                if isinstance(job, Merge):
                    if self._finish_merge(job):
                        self._begin_merge()  # of what was committed meanwhile
                elif job.result.set_running_or_notify_cancel():
                    self._apply(job)
            while self._merging:  # it is nearly done, and nobody else may write until it is
                if isinstance(job := self._jobs.get(), Merge):
                    self._finish_merge(job)
            if self._pending:
                self._writer.commit()

    def _apply(self, job: _Job) -> None:
        try:
            changed = job.change()
            self._pending += changed
            generation = self._commit() if job.commit else self._writer.generation
        except BaseException as error:
            job.result.set_exception(error)
            return
        job.result.set_result(WriteAnswer(changed, self._pending, generation))
        if job.commit:
            self._begin_merge()

    def _commit(self) -> int:
        generation = self._writer.commit()
        self._pending = 0
        return generation

    def _begin_merge(self) -> None:
        """Small segments add up with every commit. Failing to join them harms nobody."""
        if self._merging:
            return
        with _logged():
            merge = self._writer.begin_merge()
            if merge is None:
                return
            self._merging = True
            try:
                threading.Thread(target=self._merge, args=(merge,), name="lsr-merging", daemon=True).start()
            except RuntimeError:  # no thread is to be had; stopping must not wait for this merge
                self._finish_merge(merge)
                raise

    def _merge(self, merge: Merge) -> None:
        with _logged():
            merge.run()
        self._jobs.put(merge)

    def _finish_merge(self, merge: Merge) -> bool:
        self._merging = False
        if merge.done:
            with _logged():
                self._writer.finish_merge(merge)
                return True
        with _logged():
            self._writer.abandon_merge(merge)
        return False


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("segments could not be merged; the next commit tries again")
