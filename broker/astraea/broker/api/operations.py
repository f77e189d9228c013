"""For those who run the broker: health and metrics."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from .common import TheBroker, Viewer

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The answer of a health check that passed; one that fails answers with a problem document."""

    status: Literal["ok"] = "ok"


@router.get("/livez")
async def livez() -> Health:
    """Whether the process answers at all."""
    return Health()


@router.get("/readyz")
async def readyz(broker: TheBroker) -> Health:
    """Whether registrations are kept: 503 while the store can't be used."""
    if broker.failure is not None:
        raise broker.failure
    return Health()


@router.get("/metrics", response_class=Response)
async def metrics(broker: TheBroker, _: Viewer) -> Response:
    """Figures in Prometheus's text format."""
    return Response(generate_latest(broker.metrics.registry), media_type=CONTENT_TYPE_LATEST)
