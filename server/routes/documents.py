"""``/v1/documents``: documents by id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from lsr.server.routes.common import ServiceOf, answer, known_parameters, whole_id
from lsr.server.schemas import PROBLEMS

from lsr.fetching import DocumentAnswer, fetch_document

router = APIRouter(tags=["documents"], responses=PROBLEMS, dependencies=[Depends(known_parameters)])


@router.get("/v1/documents/{id:whole}", response_model=DocumentAnswer)
async def get_document(
    id: Annotated[str, Path(description="the id, percent-encoded; it may hold any character")],  # noqa: A002
    request: Request,
    service: ServiceOf,
    vectors: Annotated[bool, Query(description="return the document's terms and weights, too")] = False,
) -> Response:
    """One document, and on request the terms it is indexed with."""
    collection, wanted = service.pipeline.collection, whole_id(request, id)
    return answer(await service.in_pool(lambda: fetch_document(collection, wanted, vectors=vectors)))
