"""The ASGI application: routes, errors, limits and numbers around one served index."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from lsr.server import problems
from lsr.server.limits import BodyLimit
from lsr.server.metrics import Metrics
from lsr.server.routes import documents, pages, search, status
from lsr.server.routes import writing as changes
from lsr.server.schemas import PROBLEMS, DocumentBody, SearchBody, SearchParameters
from lsr.server.service import Service
from lsr.server.settings import ServerSettings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from lsr.server.writing import WritingThread

    from lsr.pipeline import Pipeline

DESCRIPTION = """Search an index of learned sparse vectors, exactly.

Every answer says which fields were summed, with which weights and by which encoders. Errors are
`application/problem+json`; their `code` never changes."""


def create_app(
    pipeline: Pipeline, settings: ServerSettings | None = None, *, writing: WritingThread | None = None
) -> FastAPI:
    """An application that serves ``pipeline``'s index and its later generations.

    writing: takes changes; it is closed with the application
    """
    service = Service(pipeline, settings or ServerSettings(), writing)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = Application(
        title="lsr",
        description=DESCRIPTION,
        version=metadata.version("lsr"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for routes in (search, documents, changes, status, pages):
        app.include_router(routes.router)
    problems.install(
        app,
        models={
            ("POST", "/v1/search"): SearchBody,
            ("GET", "/v1/search"): SearchParameters,
            ("PUT", "/v1/documents/{id:whole}"): DocumentBody,
        },
    )
    app.add_middleware(CountRequests, metrics=service.metrics)
    app.add_middleware(BodyLimit, limit=service.settings.max_body_bytes)
    return app


class Application(FastAPI):
    """FastAPI, whose description would list errors under ``application/json``, too."""

    def openapi(self) -> dict[str, Any]:
        described = self.openapi_schema is not None
        schema = super().openapi()
        if not described:
            for operation in (each for path in schema["paths"].values() for each in path.values()):
                for status in PROBLEMS:
                    answer = operation["responses"].get(str(status), {})
                    answer.get("content", {}).pop("application/json", None)
        return schema


class CountRequests:
    """ASGI middleware: counts and times requests by route, so that ids and queries never become labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path_format", "unknown")
            self._metrics.requests.labels(route, scope["method"], str(status)).inc()
            self._metrics.durations.labels(route).observe(time.perf_counter() - started)
