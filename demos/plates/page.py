"""A page with the last cars, for a browser on this machine. It shows lines and no picture: no picture is masked."""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from astraea.protocol import AstraeaError

KEPT = 200


class PageError(AstraeaError):
    """The page can't be served."""


class Page:
    """What the page shows: the counts so far, and the last cars, the newest first. Any thread may use it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._cars: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._counts: dict[str, int] = {}

    def add(self, record: dict[str, Any]) -> None:
        """One more car."""
        self._cars.appendleft(record)

    def count(self, counts: dict[str, int]) -> None:
        """How many frames have been answered so far, by whom."""
        self._counts = dict(counts)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"title": self.title, "frames": self._counts, "cars": list(self._cars.copy())}


@contextmanager
def serving(page: Page, port: int) -> Iterator[str]:
    """Serve the page on a thread for as long as the context lasts; its address.

    Args:
        page: What to show.
        port: On 127.0.0.1; 0 takes a free one.

    Raises:
        PageError: The port is taken.
    """

    async def cars(_: Request) -> JSONResponse:
        return JSONResponse(page.document(), headers={"Cache-Control": "no-store"})

    folder = StaticFiles(directory=Path(__file__).with_name("web"), html=True)
    # A page of elsewhere must not look through a name that it points at this machine.
    own_names = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app = Starlette(routes=[Route("/cars.json", cars), Mount("/", folder)], middleware=[own_names])
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise PageError(f"the page can't be served on port {port}: {error}", hint="--port 0 takes a free one") from None
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), name="plates-page", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
