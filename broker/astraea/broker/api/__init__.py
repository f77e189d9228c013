"""The broker's HTTP API, version 1."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI

from .. import dashboard
from ..core import Broker
from ..dashboard.history import History, keep_history
from ..metrics import CountRequests
from . import fleet, operations, operators, streams
from .gate import Gate
from .problems import RESPONSES, LimitBody, report_problems
from .routes import Shortcut

__all__ = ["create_app"]


def create_app(
    broker: Broker, *, closed: bool = False, on_started: Callable[[], Awaitable[None]] | None = None
) -> FastAPI:
    """The ASGI application that offers this broker; `on_started` is called when it is about to answer.

    With `closed`, callers must bring a key that allows what they ask for.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await broker.access.care_for_keys()
        working = asyncio.gather(broker.keep_going(), keep_history(broker, history))
        if on_started is not None:
            await on_started()
        yield
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await broker.sweep()

    history = History()
    app = FastAPI(
        title="Astraea broker",
        description="Which instance of a service should a device use?",
        version=version("astraea"),
        lifespan=lifespan,
        responses=RESPONSES,
    )
    app.state.broker = broker
    app.state.history = history
    app.state.gate = Gate(broker.access, closed=closed)
    for router in (
        fleet.direct,
        fleet.router,
        operators.router,
        operators.well_known,
        streams.router,
        operations.router,
        dashboard.router,
    ):
        app.include_router(router)
    report_problems(app)
    app.add_middleware(Shortcut, routes=fleet.direct.routes, handlers=app.exception_handlers)
    app.add_middleware(LimitBody)
    app.add_middleware(CountRequests, metrics=broker.metrics)
    return app
