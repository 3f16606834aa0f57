"""Query texts are encoded in one thread, those that wait together in one batch.

A model's matrix products use the processor best a few texts at a time, and several threads in one model only
wait for each other; so requests queue here and leave in micro-batches.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from lsr.pipeline import EncodedQuery, Pipeline


@dataclass(frozen=True, slots=True)
class _Job:
    pipeline: Pipeline
    text: str
    fields: tuple[str, ...]
    result: Future[EncodedQuery]


class EncodingThread:
    """Owns the thread. ``close`` lets waiting texts finish."""

    def __init__(self, *, batch: int) -> None:
        self._batch = batch
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lsr-encoding", daemon=True)
        self._thread.start()

    async def encode(self, pipeline: Pipeline, text: str, fields: Sequence[str]) -> EncodedQuery:
        """The query's vectors for ``fields``. The caller has bounded how many wait."""
        job = _Job(pipeline, text, tuple(fields), Future())
        self._jobs.put(job)
        return await asyncio.wrap_future(job.result)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job, *self._waiting()]
            for group in _alike(jobs):
                _encode(group)

    def _waiting(self) -> list[_Job]:
        """Up to a batch of further jobs, without waiting for any."""
        jobs: list[_Job] = []
        while len(jobs) + 1 < self._batch:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs


def _alike(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Jobs that can share one call: the same generation and the same fields."""
    groups: dict[tuple[int, tuple[str, ...]], list[_Job]] = {}
    for job in jobs:
        if job.result.set_running_or_notify_cancel():
            groups.setdefault((id(job.pipeline), job.fields), []).append(job)
    return list(groups.values())


def _encode(jobs: Sequence[_Job]) -> None:
    try:
        encoded = jobs[0].pipeline.encode([job.text for job in jobs], jobs[0].fields)
    except BaseException as error:
        for job in jobs:
            job.result.set_exception(error)
    else:
        for job, query in zip(jobs, encoded, strict=True):
            job.result.set_result(query)
