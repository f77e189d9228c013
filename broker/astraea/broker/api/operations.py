"""For those who run the broker: health and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from astraea.protocol.broker_api import Health

from .common import TheBroker, Viewer

router = APIRouter(tags=["operations"])


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
