"""`astraea broker`."""

import asyncio
import gc
import logging
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import uvicorn

from astraea.protocol.serving.certificate import CertificateFiles, certificate_files
from astraea.protocol.serving.listening import is_loopback, listen, url_of
from astraea.protocol.serving.logs import LogFormat, LogLevel, configure_logging

from .api import create_app
from .bootstrap import make_first_key
from .core import Broker
from .selection import installed_matchers
from .store import open_store

app = typer.Typer(add_completion=False)
_log = logging.getLogger(__name__)

_SHUTDOWN_S = 5  # for requests under way; none of ours takes that long
_COLLECT_EVERY_S = 60.0
"""How often the garbage collector looks for cycles. That stops every request (75 ms for 10,000 instances), and by
Python's own figures it would happen every few seconds: heartbeats make new objects, but none that are in cycles."""
_COLLECT_AFTER = 200_000
"""So many more objects than before, and it looks for cycles at once, among the new ones."""


@app.callback()
def _root() -> None:
    """Keeps `broker` a word of the command line: Typer drops the name of a lone command."""


@app.command()
def broker(  # noqa: PLR0917 - each is an option of its own
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8600,
    store: Annotated[
        str | None,
        typer.Option(
            envvar="ASTRAEA_BROKER_STORE",
            help="File that keeps what the broker knows, or postgresql://user@host/database to share it with other"
            " brokers. [default: broker.db in the state folder]",
        ),
    ] = None,
    lease_s: Annotated[
        float, typer.Option("--lease-s", min=0.1, max=3600, help="Seconds an instance is listed after a heartbeat.")
    ] = 10.0,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Ask nobody for a key, even if the address is open to the network.")
    ] = False,
    auth: Annotated[bool, typer.Option("--auth", help="Ask for keys on this machine as well.")] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain, PEM; with it the broker speaks TLS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.")] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How a line of the log looks.")] = LogFormat.PLAIN,
) -> None:
    """Keep the list of running instances, and tell devices which is best for them.

    Example: `astraea broker --port 8600`, then `astraea serve DIR --broker http://127.0.0.1:8600`.

    Beyond loopback callers need keys. The first, an admin's, is written to `admin.key` in the state folder; it makes
    the others. The dashboard is at the broker's address.
    """
    configure_logging(log_format, LogLevel.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    gc.set_threshold(_COLLECT_AFTER)
    if auth and insecure:
        raise typer.BadParameter("--auth and --insecure contradict each other")
    closed = auth or not (insecure or is_loopback(host))
    tls = certificate_files(tls_cert, tls_key)
    with listen(host, port) as listener, closing(open_store(store or _state_home() / "broker.db")) as opened:
        served = Broker(opened, lease_s=lease_s, matchers=installed_matchers(), chance=np.random.default_rng())
        _serve(served, listener, tls, closed=closed)


def _state_home() -> Path:
    """`$XDG_STATE_HOME/astraea`: https://specifications.freedesktop.org/basedir-spec/."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "astraea"


def _serve(served: Broker, listener: socket.socket, tls: CertificateFiles | None, *, closed: bool) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is under way and return."""

    async def on_started() -> None:
        if closed and (path := await make_first_key(served, _state_home() / "admin.key")):
            _log.warning("there was no admin's key: one is in %s now", path)
        gc.freeze()  # code and what the store had: not to be looked through again
        asyncio.get_running_loop().call_later(_COLLECT_EVERY_S, _collect)
        if tls is not None and config.ssl is not None:
            renewing.append(asyncio.create_task(tls.keep_current(config.ssl)))
        typer.echo(_greeting(served, url_of(listener, "http" if tls is None else "https")))

    renewing: list[asyncio.Task[None]] = []
    config = uvicorn.Config(
        create_app(served, closed=closed, on_started=on_started),
        ssl_certfile=tls and tls.chain,
        ssl_keyfile=tls and tls.key,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once it has stopped; to be asked to stop is no failure, so it finds this handler.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[listener])


def _collect() -> None:
    gc.collect()
    asyncio.get_running_loop().call_later(_COLLECT_EVERY_S, _collect)


def _greeting(served: Broker, url: str) -> str:
    known = len(served.instances())
    kept = f"{served.store.name} (found {known} instances)"
    return f"The broker listens on {url} (API: {url}/docs), keeps what it knows in {kept}"
