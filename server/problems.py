"""Errors as ``application/problem+json`` (RFC 9457): what, where, what to do, and a code that never changes."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from lsr.errors import InputError, InvalidArgumentError, LsrError, OverloadedError

if TYPE_CHECKING:
    from pydantic import BaseModel

logger = logging.getLogger(__name__)

CODES = {404: "not-found", 405: "method-not-allowed", 413: "request-too-large"}
RETRY_AFTER_S = 1
MOST_QUOTED = 60  # characters of a value in a message


# The reason phrases of RFC 9110; Python's change from version to version.
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class InvalidJsonError(LsrError):
    code = "invalid-json"
    http_status = 400


class UnknownFieldError(InvalidArgumentError):
    code = "unknown-field"


def unknown_field(name: str, known: Sequence[str]) -> UnknownFieldError:
    """The error that suggests the nearest known field, or lists them all."""
    return UnknownFieldError(_suggestion(name, name, known), field=name)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One problem document. ``type`` is a reference that docs/rest.md explains."""
    body: dict[str, object] = {
        "type": f"urn:lsr:problem:{code}",
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = list(errors)
    return Response(
        # What was sent is quoted; half a character in it has no UTF-8 form but an escape, which JSON reads.
        json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def install(app: FastAPI, *, models: Mapping[tuple[str, str], type[BaseModel]]) -> None:
    """Register the handlers. ``models`` names each route's body or query model, for suggestions."""

    @app.exception_handler(LsrError)
    async def ours(_: Request, error: LsrError) -> Response:
        return of(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _of_validation(error, models.get((request.method, _route(request))))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _of_http(request, error)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        logger.error("fault in %s %s", request.method, request.scope["path"], exc_info=error)
        return problem(
            500, "internal-error", "This is a mistake in lsr, not in your request; the log has the cause."
        )


def _route(request: Request) -> str:
    """The path of a request's route as it is declared, with ``{id:whole}`` for an id."""
    return str(getattr(request.scope.get("route"), "path", request.scope["path"]))


def of(error: LsrError) -> Response:
    """The problem document of one of our own errors."""
    field = error.field if isinstance(error, InvalidArgumentError | InputError) else None
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, OverloadedError) else None
    errors = [{"field": field, "code": error.code, "detail": error.message}] if field else []
    return problem(error.http_status, error.code, error.message, errors=errors, headers=headers)


def _of_http(request: Request, error: HTTPException) -> Response:
    """The framework's own refusals."""
    path, status = request.scope["path"], error.status_code
    headers, detail = error.headers, str(error.detail)
    if status == 404:
        detail = f"There is nothing at {path}; /openapi.json lists the routes."
    elif status == 405:
        allowed = ", ".join(_methods(request))  # the framework names those of one route of several
        headers, detail = {"Allow": allowed}, f"{request.method} is not possible at {path}; use {allowed}."
    elif status == 400 and isinstance(error.__cause__, ValueError | RecursionError):
        return of(InvalidJsonError(f"the body is not JSON: {error.__cause__}"))
    return problem(status, CODES.get(status, "http-error"), detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """The methods that the request's path takes."""
    return [
        method
        for method in ("GET", "POST", "PUT", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes
        )
    ]


def _of_validation(error: RequestValidationError, model: type[BaseModel] | None) -> Response:
    found = field_errors([{**each, "loc": each["loc"][1:]} for each in error.errors()], model)
    status, code = status_of(found)
    detail = "; ".join(each["detail"] for each in found)
    return problem(status, code, detail, errors=[] if status == 400 else found)


def status_of(found: Sequence[Mapping[str, str]]) -> tuple[int, str]:
    """The status and the code of a request with these errors: their own code where they share one."""
    codes = {each["code"] for each in found}
    if codes == {"invalid-json"}:
        return 400, "invalid-json"
    return 422, codes.pop() if len(codes) == 1 else "invalid-argument"


def field_errors(errors: Sequence[Mapping[str, Any]], model: type[BaseModel] | None) -> list[dict[str, str]]:
    """Pydantic's errors as entries of ``errors``: path, code and a sentence for each bad field."""
    return [_field_error(each, model) for each in errors]


def _field_error(each: Mapping[str, Any], model: type[BaseModel] | None) -> dict[str, str]:
    path = _path(each["loc"])
    if each["type"] == "json_invalid":
        context = each.get("ctx")
        reason = context.get("error", "") if isinstance(context, Mapping) else ""
        detail = f"the body is not JSON: {reason} at character {each['loc'][-1] + 1}"
        return {"field": "", "code": "invalid-json", "detail": detail}
    if each["type"] == "extra_forbidden":
        return {"field": path, "code": "unknown-field", "detail": _unknown(path, model)}
    if each["type"] == "missing" and not path:
        return {"field": "", "code": "invalid-argument", "detail": "the request has no body; send JSON"}
    if not path and str(each["type"]).endswith("_type"):
        detail = "the body must be a JSON object, sent with Content-Type: application/json"
        return {"field": "", "code": "invalid-argument", "detail": detail}
    message = str(each["msg"]).removeprefix("Value error, ") + _given(each.get("input"))
    return {"field": path, "code": "invalid-argument", "detail": f"{path}: {message}" if path else message}


def _given(value: object) -> str:
    """The value at fault as it was sent; nothing where it is no single one, or long."""
    if isinstance(value, list | dict):
        return ""
    written = json.dumps(value, ensure_ascii=False, default=str)
    return f", not {written}" if len(written) <= MOST_QUOTED else ""


def _path(location: Sequence[object]) -> str:
    """``("vector", "learned", 3)`` as ``vector.learned[3]``."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _unknown(path: str, model: type[BaseModel] | None) -> str:
    outer, _, name = path.rpartition(".")
    if outer.startswith("vector."):
        return f'there is no field {path!r}; a term goes into "terms": {{"terms": {{{json.dumps(name)}: 1.0}}}}'
    known = list(model.model_fields) if model is not None and not outer else []
    return _suggestion(path, name, known)


def _suggestion(path: str, name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    if nearest:
        return f"there is no field {path!r}; did you mean {nearest[0]!r}?"
    return f"there is no field {path!r}; known: {', '.join(known)}" if known else f"there is no field {path!r}"
