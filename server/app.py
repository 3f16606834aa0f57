"""The ASGI application: routes, errors, limits and numbers around one served index."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from lsr.server import problems
from lsr.server.limits import BodyLimit
from lsr.server.routes import documents, pages, search, status
from lsr.server.routes import writing as changes
from lsr.server.schemas import SearchBody, SearchParameters
from lsr.server.service import Service
from lsr.server.settings import ServerSettings

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

    app = FastAPI(
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
    problems.install(app, models={("POST", "/v1/search"): SearchBody, ("GET", "/v1/search"): SearchParameters})
    _count_requests(app, service)
    app.add_middleware(BodyLimit, limit=service.settings.max_body_bytes)
    return app


def _count_requests(app: FastAPI, service: Service) -> None:
    @app.middleware("http")
    async def counted(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "unknown")
        service.metrics.requests.labels(route, request.method, str(response.status_code)).inc()
        service.metrics.durations.labels(route).observe(time.perf_counter() - started)
        return response
