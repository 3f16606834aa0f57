"""What the routes share: the current pipeline, the threads that work, the numbers that are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, TypeVar

from lsr.server.encoding import EncodingThread
from lsr.server.limits import Admission
from lsr.server.metrics import Metrics
from lsr.server.settings import ServerSettings
from lsr.server.state import Generations
from lsr.server.writing import WriteAnswer, WritingThread

from lsr.errors import IndexReadOnlyError, InvalidArgumentError
from lsr.pipeline import EncodedQuery, Pipeline
from lsr.requests import SearchAnswer, SearchRequest

if TYPE_CHECKING:
    from lsr.indexer.documents import DocumentLike

T = TypeVar("T")


class Service:
    """One served index. Enter ``running`` for as long as requests are answered."""

    def __init__(
        self, pipeline: Pipeline, settings: ServerSettings, writing: WritingThread | None = None
    ) -> None:
        """writing: None for a server that only reads."""
        self.settings = settings
        self._writing = writing
        self.metrics = Metrics(metadata.version("lsr"), self._tokens_encoded)
        self.generations = Generations(pipeline, self._count_index, self.warm_up)
        self._admission = Admission(settings.queue)
        self._writes = Admission(settings.queue)
        self._encoding = EncodingThread(batch=settings.encode_batch)
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="lsr-search")
        self.metrics.queue_depth.set_function(lambda: self._admission.under_way)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch for new generations meanwhile; at the end let the work under way finish."""
        watch = asyncio.create_task(self.generations.watch(self.settings.poll_seconds))
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            if self._writing is not None:
                await asyncio.to_thread(self._writing.close)
            await asyncio.to_thread(self._encoding.close)
            await asyncio.to_thread(self._pool.shutdown)

    @property
    def pipeline(self) -> Pipeline:
        return self.generations.current

    def warm_up(self, pipeline: Pipeline) -> None:
        """The first of everything is slow; and a mode that the index was not tuned for is better said now."""
        if pipeline.encoders:
            pipeline.search(self._in_some_mode(SearchRequest("warm up", explain=True)))

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Answer from one generation, from beginning to end. Raises OverloadedError when too many wait."""
        self._check_depth(request)
        request = self._in_some_mode(request)
        with self._admission.slot():
            pipeline = self.pipeline
            query = await self._encoded(pipeline, request)
            answer = await self.in_pool(lambda: pipeline.answer(request, query))
        self.metrics.observe_stages(answer.took_ms)
        return answer

    async def add(self, documents: Sequence[DocumentLike], *, commit: bool) -> WriteAnswer:
        """Add or replace documents, all or none of them."""
        return await self._changed(lambda writing: writing.add(documents, commit=commit))

    async def delete(self, ids: Sequence[str], *, commit: bool) -> WriteAnswer:
        return await self._changed(lambda writing: writing.delete(ids, commit=commit))

    async def commit(self) -> WriteAnswer:
        return await self._changed(WritingThread.commit)

    async def _changed(self, change: Callable[[WritingThread], Awaitable[WriteAnswer]]) -> WriteAnswer:
        """Make a change in its turn; what it committed is served before it is answered."""
        if self._writing is None:
            raise IndexReadOnlyError("this server only reads; start it with `lsr serve --writable`")
        with self._writes.slot():
            done = await change(self._writing)
        if done.generation != self.pipeline.collection.generation:
            await self.generations.refresh()
        return done

    async def in_pool(self, work: Callable[[], T]) -> T:
        """Run what reads the index in a worker, so that the event loop stays free."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _encoded(self, pipeline: Pipeline, request: SearchRequest) -> EncodedQuery:
        if request.text is None:
            return await self.in_pool(lambda: pipeline.encoded(request))
        return await self._encoding.encode(pipeline, request.text, list(pipeline.weights(request)))

    def _in_some_mode(self, request: SearchRequest) -> SearchRequest:
        """The request in the server's mode, if it names none."""
        if request.mode is not None:
            return request
        recall = self.settings.recall if request.recall is None else request.recall
        return replace(request, mode=self.settings.mode, recall=recall)

    def _check_depth(self, request: SearchRequest) -> None:
        if request.offset + request.k > self.settings.max_k:
            raise InvalidArgumentError(
                f"offset + k is {request.offset + request.k:,}, and this server gives the best"
                f" {self.settings.max_k:,}; ask for fewer, or start it with a larger LSR_SERVER_MAX_K",
                field="k",
            )

    def _tokens_encoded(self) -> int:
        return self.pipeline.tokens_encoded()

    def _count_index(self, pipeline: Pipeline) -> None:
        self.metrics.documents.set(pipeline.collection.n_documents)
        self.metrics.index_bytes.set(pipeline.collection.size_bytes)
        self.metrics.generation.set(pipeline.collection.generation)
