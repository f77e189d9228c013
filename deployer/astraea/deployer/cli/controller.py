"""`astraea controller`."""

import logging
import signal
import threading
from functools import partial

import httpx
import typer

from ..controller import Controller, Keeper
from ..desired import DesiredStore
from ..engines import Engine
from ..errors import EngineError
from ..health import new_client
from .fleet import EngineName, open_fleet

app = typer.Typer(add_completion=False)


@app.callback()
def _root() -> None:
    """Keeps `controller` a word of the command line: Typer drops the name of a lone command."""


@app.command()
def controller() -> None:
    """Keep what was deployed from here as it is to be, until ended: run it beside the broker.

    It starts again what is lost, elsewhere if its node is; goes on with a canary whose command is gone; and follows the
    load between the bounds that a template's `scale: {min: 1, max: 4}` sets. It may be ended and started at any time.

    Example: `astraea controller`
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    store = DesiredStore()
    with new_client() as client:
        Controller(store, partial(_keeper, store, client)).run(ended)


def _keeper(store: DesiredStore, client: httpx.Client, service: str) -> Keeper:
    return Keeper(service, store, _engine, client)


def _engine(name: str) -> Engine:
    return open_fleet(EngineName(name), _pass_over).engine


def _pass_over(_: EngineError) -> None:
    """The keeper says so when it can't start something there."""
