"""What operators and their machines ask: the index, health, numbers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from lsr.server.routes.common import ServiceOf, answer

from lsr.describing import IndexDescription, describe

router = APIRouter(tags=["status"])


@router.get("/v1/index", response_model=IndexDescription)
async def get_index(service: ServiceOf) -> Response:
    """The served generation: documents, fields, encoders, sizes."""
    collection = service.pipeline.collection
    return answer(await service.in_pool(lambda: describe(collection)))


@router.head("/health/live", include_in_schema=False)  # load balancers ask for no more
@router.get("/health/live")
async def live() -> dict[str, str]:
    """200 while the process answers."""
    return {"status": "live"}


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready")
async def ready(service: ServiceOf) -> dict[str, object]:
    """200 once the index and its models are loaded; the address is not open before."""
    return {"status": "ready", "generation": service.pipeline.collection.generation}


@router.get("/metrics", response_class=Response)
async def metrics(service: ServiceOf) -> Response:
    """Numbers in the format that Prometheus reads."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
