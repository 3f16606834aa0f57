"""What handlers need to reach the service and to answer."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from lsr.server.problems import unknown_field
from lsr.server.service import Service
from starlette.convertors import Convertor, register_url_convertor

from lsr.errors import InvalidArgumentError
from lsr.requests import to_json


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


ServiceOf = Annotated[Service, Depends(_service)]


def known_parameters(request: Request) -> None:
    """Raise UnknownFieldError for a parameter that the route does not take: with ``comit=true`` a change would
    stay pending without a word."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [parameter.alias for parameter in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            raise unknown_field(name, known)


class _Whole(Convertor[str]):
    """All of a path that follows. Starlette's ``path`` ends at a line break, which an id may hold."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("whole", _Whole())  # the one way to Starlette's table; routes name it as {id:whole}


def whole_id(request: Request, matched: str) -> str:
    """The id that a request's path names, as routing matched it.

    Bytes that are not UTF-8 have become U+FFFD there, which would make the request one for another document.
    Raises InvalidArgumentError for such bytes.
    """
    try:
        unquote_to_bytes(request.scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(
            f"id: not UTF-8 ({error.reason}); percent-encode the bytes of its UTF-8 form", field="id"
        ) from error
    return matched


def answer(value: object) -> Response:
    """A record of ours as a JSON response; made by hand, because checking our own answers again costs as much
    time as searching. Half a character, quoted from a request, has no UTF-8 form but an escape."""
    text = json.dumps(to_json(value), ensure_ascii=False, allow_nan=False)
    return Response(text.encode("utf-8", "backslashreplace"), media_type="application/json")
