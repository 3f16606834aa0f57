"""Run the application under uvicorn until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from lsr.indexer.arrays import Load
from lsr.indexer.writer import CollectionWriter
from lsr.server.app import create_app
from lsr.server.settings import ServerSettings
from lsr.server.writing import WritingThread

from lsr.errors import ResourceError
from lsr.fields import Opening, cutter_of
from lsr.pipeline import Pipeline
from lsr.updating import Changing

GRACE_S = 10  # for requests under way when the server is told to stop


def run(
    index: Path,
    *,
    host: str,
    port: int,
    settings: ServerSettings,
    load: Load,
    opening: Opening | None = None,
    writable: bool = False,
    on_ready: Callable[[str], None],
) -> None:
    """Serve ``index`` until SIGINT or SIGTERM; requests under way are finished.

    opening: how the models are found, where the index alone does not say it
    writable: take the index's lock and let requests change it
    on_ready: called with the address once requests are answered
    Raises ResourceError if the address cannot be had, IndexLockedError if somebody else is writing.
    """
    with listening_socket(host, port) as listener:
        found = opening or Opening()
        pipeline = Pipeline.open(
            index,
            model=found.model,
            queries=found.queries,
            transform=found.transform,
            device=found.device,
            threads=1,
            load=load,
        )
        writer = _writing(index, pipeline, found) if writable else None
        app = create_app(pipeline, settings, writing=writer)
        app.state.service.warm_up(pipeline)
        config = uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
        )
        server = _Server(config, lambda: on_ready(_address(listener)))
        with _stopping_is_success():
            server.run(sockets=[listener])


def _writing(index: Path, pipeline: Pipeline, opening: Opening) -> WritingThread:
    """A writer with encoders of its own: a long batch must not hold up the encoding of queries."""
    writer = CollectionWriter.open(index)
    names = [info.name for info in pipeline.collection.fields]
    try:
        encoders = opening.fields(pipeline.collection, names)
        return WritingThread(writer, Changing(encoders, cutter_of(pipeline.collection, encoders)))
    except BaseException:
        writer.close()
        raise


@contextmanager
def _stopping_is_success() -> Iterator[None]:
    """Being told to stop is how a server ends: uvicorn shuts down, then repeats the signal, to no effect."""
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Server(uvicorn.Server):
    """Says when it is ready; uvicorn itself only logs that."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def listening_socket(host: str, port: int) -> socket.socket:
    """Bound, so that a port that is taken is known before a model is loaded; 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's delay (40 ms an answer) off only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ResourceError(
            f"cannot listen on {host} port {port}: {error.strerror or error}."
            " Choose another with --port (0 takes a free one) or --host."
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
