"""One process that serves one service: from an open socket to the last answer."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import uvicorn
import uvloop
from pydantic import SecretStr
from starlette.applications import Starlette

from astraea.protocol import AstraeaError, Instance, ServiceSpec
from astraea.protocol.serving.certificate import CertificateFiles

from .api import Api
from .app import create_app, predict_endpoint
from .auth import Guard, KeySet
from .http1 import Front
from .lease import leased
from .limits import Limits
from .memory import keep_freed_memory
from .pool import WorkerPool
from .reload import set_on_change
from .shadowing.copies import Shadowing
from .streaming import Streaming
from .streams.entrance import Entrance
from .streams.sources import Sources
from .telemetry import open_spans
from .upgrade import Upgrader
from .webrtc.ice import IceServers

_logger = logging.getLogger(__name__)

_DRAIN_S = 20  # for requests under way when the end is asked for; none that a device waits for takes longer
_SWEEP_S = 1.0
_STDIN = 0  # its number, as the stream may be closed
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
    tls: CertificateFiles | None = None
    """None for plain HTTP."""

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
    broker_key: SecretStr | None = None
    """A node's key, for a broker that asks for one."""
    swap: bool = False
    """Whether a new version is loaded only when the old one has gone."""
    reload: bool = False
    """Whether to load again what is in the folder as soon as it changes."""
    ice_servers: IceServers = field(default_factory=IceServers)
    """That help publishers of video behind NATs."""
    sources: Sources = field(default_factory=Sources)
    """Of videos that it may read itself."""


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
    keep_freed_memory()
    # Requests are what runs side by side. OpenCV's own threads wait for work by spinning, on all of a host's processors
    # whatever this process may use of them: a third of what answering a frame costs besides inference.
    cv2.setNumThreads(1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(serving, listener))


async def _run(serving: Serving, listener: socket.socket) -> bool:
    pool = WorkerPool(serving.limits.workers, serving.limits.queue)
    api = Api(serving.instance, serving.limits, pool)
    api.spans = open_spans(serving.instance)
    upgrader = Upgrader(api, serving.folder, serving.spec, swap=serving.swap)
    security = serving.security
    keys = KeySet(security.jwks) if security.jwks is not None else None
    guard = Guard(serving.spec.name, security.key, keys) if security.authenticates else None
    answering = predict_endpoint(api)
    streaming = Streaming(answering, serving.ice_servers, serving.sources)
    entrance = Entrance(streaming.sessions, guard, security.cors_origins)
    front = Front(answering, serving.limits, _KEEP_ALIVE_S, guard, entrance)
    app = create_app(api, guard, security.cors_origins, upgrader.load, streaming)
    config = _uvicorn_config(app, front, security.tls)
    server = _Server(config)
    stop, upgrade = _on_signals(server)
    listening = asyncio.create_task(server.serve(sockets=[listener]))
    listening.add_done_callback(lambda _: stop.set())
    background = [asyncio.create_task(_sweep(front))]
    if security.tls is not None and config.ssl is not None:
        background.append(asyncio.create_task(security.tls.keep_current(config.ssl)))
    if keys is not None:
        background.append(asyncio.create_task(keys.keep_fresh()))
    if serving.reload:
        background.append(asyncio.create_task(set_on_change(serving.folder, upgrade)))
    try:
        # It answers /livez and /readyz meanwhile.
        if await _opened(upgrader, stop, may_fail=serving.reload):
            _greet(api)
            background.append(asyncio.create_task(upgrader.on_request(upgrade)))
            await _stay(serving, api, keys, stop)
    finally:
        await streaming.close()
        server.should_exit = True
        await listening
        for task in background:
            task.cancel()
        upgrader.close()
        pool.close()
        if api.spans is not None:
            await api.spans.close()
    return pool.in_flight == 0 and not upgrader.busy


async def _sweep(front: Front) -> None:
    while True:
        await asyncio.sleep(_SWEEP_S)
        front.sweep(time.monotonic())


def _uvicorn_config(app: Starlette, front: Front, tls: CertificateFiles | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", front.protocol),  # anything that makes a protocol
        ssl_certfile=tls and tls.chain,
        ssl_keyfile=tls and tls.key,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    config.load()
    return config


def _on_signals(server: uvicorn.Server) -> tuple[asyncio.Event, asyncio.Event]:
    """The events that it is time to stop (SIGTERM, SIGINT), and to load what is in the folder now (SIGHUP)."""
    stop, upgrade = asyncio.Event(), asyncio.Event()
    had_terminal = os.isatty(_STDIN)

    def on_stop() -> None:
        server.force_exit = stop.is_set()
        stop.set()

    def on_hang_up() -> None:
        if had_terminal and not os.isatty(_STDIN):  # a real one: the terminal was closed
            on_stop()
        else:
            upgrade.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, on_hang_up)
    return stop, upgrade


async def _opened(upgrader: Upgrader, stop: asyncio.Event, *, may_fail: bool) -> bool:
    """Load the service for the first time; False if it is time to stop before that is done.

    Raises:
        AstraeaError: It can't be loaded, and may not fail.
    """
    opening, waiter = asyncio.create_task(upgrader.load()), asyncio.create_task(stop.wait())
    await asyncio.wait({opening, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not opening.done():
        opening.cancel()
        return False
    try:
        opening.result()
    except AstraeaError as error:
        if not may_fail:
            raise
        _logger.error("%s; waiting for a change", error)  # noqa: TRY400 - one line says it
    return True


async def _stay(serving: Serving, api: Api, keys: KeySet | None, stop: asyncio.Event) -> None:
    """Be on the broker's list, if there is a broker and its tokens can be checked, until it is time to stop."""
    async with contextlib.AsyncExitStack() as stack:
        if keys is not None:
            await _first(keys.read, stop)
        if serving.broker is not None and not stop.is_set():
            shadowing = stack.enter_context(contextlib.closing(Shadowing(api)))
            lease = leased(serving.broker, api.offered, api.changed, serving.broker_key, shadowing.heard)
            await stack.enter_async_context(lease)
        await stop.wait()
        api.draining = True


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiters = {asyncio.create_task(event.wait()) for event in events}
    await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    for waiter in waiters:
        waiter.cancel()


def _greet(api: Api) -> None:
    instance = api.instance()
    url = str(instance.url).rstrip("/")
    what = "answers" if api.service else "will answer, when it can,"
    _logger.info("%s (revision %s) %s at %s/predict", instance.service, instance.revision, what, url)
