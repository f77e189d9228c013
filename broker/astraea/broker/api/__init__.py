"""The broker's HTTP API, version 1."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI

from ..core import Broker
from ..metrics import CountRequests
from . import fleet, operations
from .problems import RESPONSES, LimitBody, report_problems

__all__ = ["create_app"]


def create_app(broker: Broker, *, on_started: Callable[[], None] = lambda: None) -> FastAPI:
    """The ASGI application that offers this broker; `on_started` is called when it is about to answer."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        working = asyncio.create_task(broker.keep_going())
        on_started()
        yield
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await broker.sweep()

    app = FastAPI(
        title="Astraea broker",
        description="Which instance of a service should a device use?",
        version=version("astraea"),
        lifespan=lifespan,
        responses=RESPONSES,
    )
    app.state.broker = broker
    for router in (fleet.direct, fleet.router, operations.router):
        app.include_router(router)
    app.add_middleware(LimitBody)
    app.add_middleware(CountRequests, metrics=broker.metrics)
    report_problems(app)
    return app
