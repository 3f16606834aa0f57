"""Refuse what is too big or too much before it costs anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lsr.server import problems
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lsr.errors import LsrError, OverloadedError


class RequestTooLargeError(LsrError):
    code = "request-too-large"
    http_status = 413


class BodyLimit:
    """ASGI middleware: reads a request's body, but never more than ``limit`` bytes of it."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._body(scope, receive)
        if body is None:
            await problems.of(self._too_large())(scope, receive, send)
            return
        await self._app(scope, _replaying(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> list[Message] | None:
        """The messages that make the body; None if there is more of it than allowed."""
        if _declared_length(scope) > self._limit:
            return None
        messages: list[Message] = []
        received, more = 0, True
        while more:
            message = await receive()
            messages.append(message)
            received += len(message.get("body", b""))
            if received > self._limit:
                return None
            more = message.get("more_body", False)
        return messages

    def _too_large(self) -> RequestTooLargeError:
        return RequestTooLargeError(
            f"the request's body is larger than {self._limit:,} bytes; send less at a time, "
            "or start the server with a larger --max-body"
        )


def _replaying(messages: list[Message], receive: Receive) -> Receive:
    """Gives out the messages already read, then goes on with the real ones (a client that leaves)."""
    waiting = iter(messages)

    async def replayed() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return replayed


class Admission:
    """Counts the requests under way; above ``limit`` the next one is turned away."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.under_way = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a place while the block runs. Called on the event loop only, so a plain count is enough."""
        if self.under_way >= self._limit:
            raise OverloadedError(
                f"{self._limit} requests are already waiting or running; try again after Retry-After seconds"
            )
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
