"""One process that serves one service: from an open socket to the last answer."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvicorn
import uvloop
from pydantic import SecretStr
from starlette.applications import Starlette

from astraea.protocol import Instance, ServiceSpec

from .api import Api
from .app import create_app, predict_endpoint
from .auth import Guard, KeySet
from .http1 import Front
from .lease import leased
from .limits import Limits
from .pace import Pace
from .pool import WorkerPool
from .service import Service, open_service

_logger = logging.getLogger(__name__)

_DRAIN_S = 20  # for requests under way when the end is asked for; none that a device waits for takes longer
_SWEEP_S = 1.0
_KEEP_ALIVE_S = 75  # longer than devices keep an idle connection, so that it is never closed under a request


@dataclass(frozen=True)
class Security:
    """Who may ask, and how the way to them is protected."""

    key: SecretStr | None = None
    """The instance's own key, that requests bring as their bearer token."""
    jwks: str | None = None
    """File or URL of the keys that the broker signs tokens with."""
    cors_origins: tuple[str, ...] = ()
    """Of the web pages that may ask."""
    tls: tuple[Path, Path] | None = None
    """The files of the certificate chain and its key; None for plain HTTP."""

    @property
    def authenticates(self) -> bool:
        """Whether requests need a token."""
        return self.key is not None or self.jwks is not None


@dataclass(frozen=True)
class Serving:
    """All that a server needs to know."""

    folder: Path
    spec: ServiceSpec
    instance: Instance
    limits: Limits
    broker: str | None
    """Its base URL; None to serve without one."""
    security: Security = Security()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which end the process with the signal that asked it to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(serving: Serving, listener: socket.socket) -> bool:
    """Serve until SIGTERM or SIGINT; a second one doesn't wait for requests under way.

    Returns:
        Whether all work has ended. If not, a thread is still busy with it, and only the end of the process ends it.

    Raises:
        AstraeaError: The service can't be opened.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(serving, listener))


async def _run(serving: Serving, listener: socket.socket) -> bool:
    pool = WorkerPool(serving.limits.workers, serving.limits.queue)
    api = Api(serving.instance, serving.limits, pool)
    security = serving.security
    keys = KeySet(security.jwks) if security.jwks is not None else None
    guard = Guard(serving.spec.name, security.key, keys) if security.authenticates else None
    front = Front(predict_endpoint(api), serving.limits, _KEEP_ALIVE_S, guard)
    server = _Server(_uvicorn_config(create_app(api, guard, security.cors_origins), front, security.tls))
    stop = _stop_on_signals(server)
    answering = asyncio.create_task(server.serve(sockets=[listener]))
    answering.add_done_callback(lambda _: stop.set())
    background = [asyncio.create_task(_sweep(front))]
    if keys is not None:
        background.append(asyncio.create_task(keys.keep_fresh()))
    try:
        # It answers /livez and /readyz meanwhile.
        opening = asyncio.create_task(pool.run(lambda: _open(serving)))
        await _either(opening, stop)
        if opening.done():
            api.service = opening.result()
            _let_batches_form(api, api.service)
            pool.pace = Pace()  # what loading took says nothing of an answer
            _logger.info("%s", _greeting(serving))
            await _stay(serving, api, stop)
    finally:
        server.should_exit = True
        await answering
        for task in background:
            task.cancel()
        pool.close()
    return pool.in_flight == 0


def _let_batches_form(api: Api, service: Service) -> None:
    """Give each input of a batch a thread: its own decodes it, and waits while one computes them all."""
    if service.batcher is not None:
        service.batcher.on_batch = api.metrics.batched
        api.pool.add_workers(max(0, api.limits.batch - api.pool.capacity))


async def _sweep(front: Front) -> None:
    while True:
        await asyncio.sleep(_SWEEP_S)
        front.sweep(time.monotonic())


def _uvicorn_config(app: Starlette, front: Front, tls: tuple[Path, Path] | None) -> uvicorn.Config:
    certificate, key = tls or (None, None)
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", front.protocol),  # anything that makes a protocol
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
    )


def _stop_on_signals(server: uvicorn.Server) -> asyncio.Event:
    stop = asyncio.Event()

    def on_signal() -> None:
        server.force_exit = stop.is_set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stop


async def _either(task: asyncio.Task[Service], event: asyncio.Event) -> None:
    waiter = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()


def _open(serving: Serving) -> Service:
    service = open_service(serving.folder, serving.spec, serving.limits)
    service.warm_up()
    return service


async def _stay(serving: Serving, api: Api, stop: asyncio.Event) -> None:
    """Be on the broker's list, if there is a broker, until it is time to stop."""
    async with contextlib.AsyncExitStack() as stack:
        if serving.broker is not None:
            await stack.enter_async_context(leased(serving.broker, api.instance))
        await stop.wait()
        api.draining = True


def _greeting(serving: Serving) -> str:
    instance, model = serving.instance, serving.spec.model or "no model"
    url = str(instance.url).rstrip("/")
    return f"{instance.service} ({model}, revision {instance.revision}) answers at {url}/predict"
