"""Changes: documents in and out, and the commit that makes them visible; of a writable server only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentInput
from lsr.server.problems import InvalidJsonError, field_errors, problem, status_of
from lsr.server.routes.common import ServiceOf, answer, known_parameters, whole_id
from lsr.server.schemas import PROBLEMS, DocumentBody, DocumentsBody, IdentifiedDocument
from lsr.server.writing import WriteAnswer
from pydantic import BaseModel, ConfigDict, ValidationError

from lsr.errors import DocumentNotFoundError, DuplicateIdError, InvalidArgumentError
from lsr.wording import counted

router = APIRouter(tags=["changes"], responses=PROBLEMS, dependencies=[Depends(known_parameters)])

Commit = Annotated[bool, Query(description="make this and all earlier changes visible now")]
NDJSON = "application/x-ndjson"


class Rejected(BaseModel):
    """A document of a batch that was not added. index: its place in it, from 0; code: as of a problem."""

    model_config = ConfigDict(frozen=True)

    index: int
    field: str
    code: str
    detail: str

    def as_problem(self) -> dict[str, str]:
        place = f"documents[{self.index}]" + (f".{self.field}" if self.field else "")
        return {"field": place, "code": self.code, "detail": self.detail}


class BatchAnswer(BaseModel):
    """What a batch did; ``rejected`` is empty unless ``partial`` was asked for."""

    changed: int
    pending: int
    generation: int
    rejected: list[Rejected]


@router.put("/v1/documents/{id:whole}", response_model=WriteAnswer)
async def put_document(
    id: Annotated[str, Path(min_length=1)],  # noqa: A002 - the word of the API
    body: DocumentBody,
    request: Request,
    service: ServiceOf,
    *,
    commit: Commit = False,
) -> Response:
    """Add a document, or replace the one with this id."""
    document = body.document(whole_id(request, id))
    DocumentColumns.of([document])  # what cannot be stored is refused by name, before it is encoded
    return answer(await service.add([document], commit=commit))


@router.delete("/v1/documents/{id:whole}", response_model=WriteAnswer)
async def delete_document(
    id: Annotated[str, Path(min_length=1)],  # noqa: A002
    request: Request,
    service: ServiceOf,
    *,
    commit: Commit = False,
) -> Response:
    """Delete a document."""
    wanted = whole_id(request, id)
    done = await service.delete([wanted], commit=commit)
    if not done.changed:
        raise DocumentNotFoundError(f"the index has no document with the id {wanted!r}")
    return answer(done)


@router.post(
    "/v1/documents",
    response_model=BatchAnswer,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": DocumentsBody.model_json_schema()},
                NDJSON: {"schema": {"type": "string", "description": "one document a line"}},
            },
        }
    },
)
async def post_documents(
    request: Request,
    service: ServiceOf,
    *,
    commit: Commit = False,
    partial: Annotated[
        bool, Query(description="add what can be added and list the rest, instead of all or nothing")
    ] = False,
) -> Response:
    """Add or replace a batch of documents, as JSON or NDJSON: all or nothing, unless ``partial``."""
    records = _records(await request.body(), request.headers.get("content-type", ""))
    broken = next((each for each in records if isinstance(each, InvalidJsonError)), None)
    if broken is not None and not partial:
        raise broken
    documents, rejected = _checked(records)
    if rejected and not partial:
        errors = [each.as_problem() for each in rejected]
        status, code = status_of(errors)
        return problem(
            status,
            code,
            f"{len(rejected)} of {counted(len(records), 'document')} cannot be used, so none was added;"
            " mend them, or ask for partial=true",
            errors=errors,
        )
    done = await service.add(documents, commit=commit)
    return answer(
        {"changed": done.changed, "pending": done.pending, "generation": done.generation}
        | {"rejected": [each.model_dump() for each in rejected]}
    )


@router.post("/v1/commit", response_model=WriteAnswer)
async def post_commit(service: ServiceOf) -> Response:
    """Make all changes visible, and keep them whatever happens."""
    return answer(await service.commit())


def _records(body: bytes, content_type: str) -> list[object]:
    """The documents of a batch, unchecked; for a line that is no JSON the error that stands for it.

    Raises InvalidJsonError for a body that is no JSON as a whole.
    """
    if content_type.split(";", maxsplit=1)[0].strip() == NDJSON:
        lines = enumerate(body.split(b"\n"), 1)
        return [_line(line, number) for number, line in lines if line.strip()]
    batch = _parsed(body, "the body")
    if not isinstance(batch, dict) or set(batch) != {"documents"} or not isinstance(batch["documents"], list):
        raise InvalidArgumentError(
            'the body must be {"documents": […]}, or NDJSON with the content type ' + NDJSON, field="documents"
        )
    return batch["documents"]


def _line(raw: bytes, number: int) -> object:
    try:
        return _parsed(raw, f"line {number}")
    except InvalidJsonError as error:
        return error


def _parsed(raw: bytes, place: str) -> object:
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"{place} is not JSON: {error.msg} at character {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(f"{place} is not JSON: {error}") from error


def _checked(records: Sequence[object]) -> tuple[list[DocumentInput], list[Rejected]]:
    """The usable documents, and the others with the reason. Of two with one id the second is rejected."""
    documents: dict[str, DocumentInput] = {}
    rejected: list[Rejected] = []
    for at, record in enumerate(records):
        if isinstance(record, InvalidJsonError):
            rejected.append(Rejected(index=at, field="", code=record.code, detail=record.message))
            continue
        try:
            body = IdentifiedDocument.model_validate(record)
        except ValidationError as error:
            first = field_errors(error.errors(), IdentifiedDocument)[0]
            rejected.append(Rejected(index=at, **first))
            continue
        document = body.document(body.id)
        try:
            _check(document, documents)
        except (InvalidArgumentError, DuplicateIdError) as error:
            refused = Rejected(index=at, field=error.field or "", code=error.code, detail=error.message)
            rejected.append(refused)
        else:
            documents[body.id] = document
    return list(documents.values()), rejected


def _check(document: DocumentInput, earlier: Mapping[str, DocumentInput]) -> None:
    """Raise DuplicateIdError for an id that stands in the batch before, InvalidArgumentError for what cannot
    be stored."""
    if document.id in earlier:
        raise DuplicateIdError(f"the id {document.id!r} stands twice in this batch", field="id")
    DocumentColumns.of([document])
