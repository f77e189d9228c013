"""`astraea broker`."""

import ipaddress
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

from .api import create_app
from .core import Broker
from .errors import ListenError
from .selection import installed_matchers
from .store import open_store

app = typer.Typer(add_completion=False)

_SHUTDOWN_S = 5  # for requests under way; none of ours takes that long


@app.callback()
def _root() -> None:
    """Keeps `broker` a word of the command line: Typer drops the name of a lone command."""


@app.command()
def broker(
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
        bool, typer.Option("--insecure", help="Listen beyond this machine, though callers are not authenticated.")
    ] = False,
) -> None:
    """Keep the list of running instances, and tell devices which is best for them.

    Example: `astraea broker --port 8600`, then `astraea serve DIR --broker http://127.0.0.1:8600`.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    if not (insecure or _is_loopback(host)):
        raise ListenError(
            f"{host} is open to the network, and the broker does not authenticate its callers",
            hint="keep to 127.0.0.1, or add --insecure on a network where you trust everyone",
        )
    with _listen(host, port) as listener, closing(open_store(store or _state_home() / "broker.db")) as opened:
        served = Broker(opened, lease_s=lease_s, matchers=installed_matchers(), chance=np.random.default_rng())
        _serve(served, listener)


def _state_home() -> Path:
    """`$XDG_STATE_HOME/astraea`: https://specifications.freedesktop.org/basedir-spec/."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "astraea"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise ListenError(
            f"can't listen on {host}: {error.strerror}", hint="give --host an address of this machine"
        ) from None
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise ListenError(
            f"can't listen on {host} port {port}: {os.strerror(error.errno or 0)}",
            hint=f"`ss -ltnp 'sport = :{port}'` shows who uses a port; --port and --host choose others",
        ) from None


def _serve(served: Broker, listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is under way and return."""
    config = uvicorn.Config(
        create_app(served, on_started=lambda: typer.echo(_greeting(served, listener))),
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


def _greeting(served: Broker, listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    known = len(served.instances())
    return f"The broker listens on {url} (API: {url}/docs), keeps instances in {served.store.name} (found {known})"
