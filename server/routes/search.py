"""``/v1/search``, as a body and as a link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from lsr.server.routes.common import ServiceOf, answer
from lsr.server.schemas import PROBLEMS, SearchBody, SearchParameters

from lsr.requests import SearchAnswer

router = APIRouter(tags=["search"], responses=PROBLEMS)


@router.post("/v1/search", response_model=SearchAnswer)
async def post_search(body: SearchBody, service: ServiceOf) -> Response:
    """Search by text, or by your own weighted terms."""
    return answer(await service.search(body.request()))


@router.get("/v1/search", response_model=SearchAnswer)
async def get_search(parameters: Annotated[SearchParameters, Query()], service: ServiceOf) -> Response:
    """Search by text, as a link."""
    return answer(await service.search(parameters.request()))
