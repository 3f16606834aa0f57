"""A client of the application, without a socket between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from lsr.indexer.writer import CollectionWriter
from lsr.server import create_app
from lsr.server.settings import ServerSettings
from lsr.server.writing import WritingThread

from lsr.fields import open_fields
from lsr.updating import Changing

if TYPE_CHECKING:
    from lsr.data.documents import Document

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


@pytest.fixture
def pipeline(
    tmp_path: Path, build_index: Callable[..., Pipeline], small_documents: Sequence[Document]
) -> Pipeline:
    """An index of the test's own, which it may change."""
    return build_index(tmp_path / "index", small_documents)


@pytest.fixture
def stopped(pipeline: Pipeline, hand_encoder: type) -> TestClient:
    """A client of a writable server that has not been started."""
    names = [info.name for info in pipeline.collection.fields]
    encoders = open_fields(pipeline.collection, names, encoder=hand_encoder())
    writing = WritingThread(CollectionWriter.open(pipeline.collection.path), Changing(encoders))
    return TestClient(create_app(pipeline, writing=writing), raise_server_exceptions=False)


@pytest.fixture
def writable(stopped: TestClient) -> Iterator[TestClient]:
    with stopped as client:
        yield client
