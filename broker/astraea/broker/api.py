"""The broker's HTTP API, version 1."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from astraea.protocol import Candidates, Instance, Lease, Location
from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from .core import Broker
from .metrics import CountRequests
from .problems import RESPONSES, LimitBody, report_problems


class ServiceSummary(BaseModel):
    """A service that has live instances."""

    model_config = ConfigDict(frozen=True)

    name: ServiceName
    instances: int
    """How many hold a lease."""


class Health(BaseModel):
    """The answer of a health check that passed; one that fails answers with a problem document."""

    status: Literal["ok"] = "ok"


def create_app(broker: Broker, *, on_started: Callable[[], None] = lambda: None) -> FastAPI:
    """The ASGI application that offers this broker; `on_started` is called when it is about to answer."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(broker.keep_sweeping())
        on_started()
        yield
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await broker.sweep()

    app = FastAPI(
        title="Astraea broker",
        description="Which instance of a service should a device use?",
        version=version("astraea"),
        lifespan=lifespan,
        responses=RESPONSES,
    )
    app.state.broker = broker
    app.include_router(_v1)
    app.include_router(_operations)
    app.add_middleware(LimitBody)
    app.add_middleware(CountRequests, metrics=broker.metrics)
    report_problems(app)
    return app


async def _broker(request: Request) -> Broker:
    broker: Broker = request.app.state.broker
    return broker


async def _place(
    lat: Annotated[float | None, Query(ge=-90, le=90, description="Degrees north")] = None,
    lon: Annotated[float | None, Query(ge=-180, le=180, description="Degrees east")] = None,
) -> Location | None:
    if lat is None and lon is None:
        return None
    if lat is None or lon is None:
        missing = "lat" if lat is None else "lon"
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"query.{missing}: missing; give both lat and lon, or none"
        )
    return Location(lat=lat, lon=lon)


_TheBroker = Annotated[Broker, Depends(_broker)]
_Place = Annotated[Location | None, Depends(_place)]

_v1 = APIRouter(prefix="/v1")


@_v1.put("/instances/{instance_id}")
async def register(instance_id: Label, instance: Instance, broker: _TheBroker) -> Lease:
    """Register an instance or renew its lease: the same call, to be repeated at a third of `ttl_s`."""
    if instance.id != instance_id:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"body.id: expected {instance_id!r} as in the path, found {instance.id!r}"
        )
    return await broker.register(instance)


@_v1.delete("/instances/{instance_id}", status_code=HTTPStatus.NO_CONTENT)
async def deregister(instance_id: Label, broker: _TheBroker) -> None:
    """Sign an instance off; harmless for one that is not there."""
    await broker.deregister(instance_id)


@_v1.get("/instances")
async def instances(broker: _TheBroker, service: ServiceName | None = None) -> list[Instance]:
    """The live instances of one service, or of all, by id."""
    return broker.instances(service)


@_v1.get("/services")
async def services(broker: _TheBroker) -> list[ServiceSummary]:
    """The services that have live instances, by name."""
    return [ServiceSummary(name=name, instances=count) for name, count in sorted(broker.services().items())]


@_v1.get("/services/{name}/candidates")
async def candidates(
    name: ServiceName, place: _Place, broker: _TheBroker, limit: Annotated[int, Query(ge=1, le=50)] = 5
) -> Candidates:
    """The instances that are expected to answer a device at this place soonest, the best first."""
    return broker.candidates(name, place, limit)


_operations = APIRouter(tags=["operations"])


@_operations.get("/livez")
async def livez() -> Health:
    """Whether the process answers at all."""
    return Health()


@_operations.get("/readyz")
async def readyz(broker: _TheBroker) -> Health:
    """Whether registrations are kept: 503 while the store can't be written."""
    if broker.failure is not None:
        raise broker.failure
    return Health()


@_operations.get("/metrics", response_class=Response)
async def metrics(broker: _TheBroker) -> Response:
    """Figures in Prometheus's text format."""
    return Response(generate_latest(broker.metrics.registry), media_type=CONTENT_TYPE_LATEST)
