"""A client of the application, without a socket between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from lsr.server import create_app
from lsr.server.settings import ServerSettings

if TYPE_CHECKING:
    from lsr.pipeline import Pipeline

MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """A started application over a pipeline; stopped when the test ends."""
    with ExitStack() as stack:

        def make(pipeline: Pipeline, **settings: object) -> TestClient:
            app = create_app(pipeline, ServerSettings(**settings))  # type: ignore[arg-type]
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield make


@pytest.fixture
def client(small_pipeline: Pipeline, make_client: MakeClient) -> TestClient:
    return make_client(small_pipeline)
