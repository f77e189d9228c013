"""What tests of the edge server share: services' folders, images, real servers, and a broker that only listens."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from astraea.edge_server import Limits, Service, open_service
from astraea.edge_server.api import Api
from astraea.edge_server.app import create_app
from astraea.edge_server.pool import WorkerPool
from astraea.protocol import Instance, load_service_spec

WriteService = Callable[..., Path]
StartServer = Callable[..., "Server"]
MakeService = Callable[..., Service]

SIZE_HANDLER = """
    from astraea.edge_server import Image
    def predict(model, image: Image):
        return {"height": image.shape[0], "width": image.shape[1], "mean": image.mean(axis=(0, 1)).round().tolist()}
"""
"""Answers what it was given."""


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


async def settle(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """`wait_until`, while the event loop goes on."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to set
            await asyncio.sleep(0.002)


def encode(image: Any, suffix: str = ".jpg") -> bytes:
    """An RGB image as the file that a camera would send."""
    return cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A JPEG of 64 x 48 pixels, all of one orange."""
    return encode(np.full((48, 64, 3), (200, 100, 30), np.uint8))


@pytest.fixture
def write_service(tmp_path: Path) -> WriteService:
    """Write a service's folder: its handler's code, and keys of the template."""

    def write(handler: str | None = SIZE_HANDLER, name: str = "sizes", **keys: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        template = {"name": name, "version": "1.2.3"} | keys
        if handler is not None:
            template["handler"] = "handler.py"
            (folder / "handler.py").write_text(textwrap.dedent(handler))
        (folder / "astraea.yaml").write_text(json.dumps(template))
        return folder

    return write


LIMITS = Limits(workers=1, queue=1, body_bytes=10_000, image_px=400_000)


def open_folder(folder: Path) -> Service:
    return open_service(folder, load_service_spec(folder), LIMITS, INSTANCE.revision)


@pytest.fixture
def make_service(write_service: WriteService) -> MakeService:
    """Open a service in this process."""

    def make(handler: str | None, **keys: Any) -> Service:
        return open_folder(write_service(handler, **keys))

    return make


INSTANCE = Instance.model_validate(
    {"id": "here-1", "service": "sizes", "revision": "1.2.3-a", "url": "http://127.0.0.1:1", "node": "here"}
)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    pool = WorkerPool(LIMITS.workers, LIMITS.queue)
    yield Api(INSTANCE, LIMITS, pool)
    pool.close()


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(api), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


@dataclass
class Server:
    """An `astraea serve` process."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def client(self) -> httpx.Client:
        """A client of it, once it says that it is ready."""
        wait_until(lambda: " answers at " in self.log or self.process.poll() is not None)
        address = re.search(r"answers at (https?://.*?)/predict", self.log)
        assert address, self.log
        return httpx.Client(base_url=address[1], timeout=20)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@contextmanager
def started(log_file: Path, *arguments: object) -> Iterator[Server]:
    command = [sys.executable, "-m", "astraea.deployer", "serve", *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if key != "ASTRAEA_BROKER"}
    with log_file.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            yield Server(process, log_file)
        finally:
            process.kill()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Run `astraea serve` with these arguments, on a free port unless they say otherwise."""
    with ExitStack() as stack:

        def start(*arguments: object) -> Server:
            port = () if "--port" in arguments else ("--port", 0)
            number = len(list(tmp_path.glob("*.log")))
            return stack.enter_context(started(tmp_path / f"server-{number}.log", *arguments, *port))

        yield start


@dataclass
class FakeBroker:
    """Remembers what it is asked, and answers as it is told."""

    url: str = ""
    ttl_s: float = 0.3
    status: int = 200
    shadow: dict[str, Any] | None = None
    """Where it has requests copied to."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and JSON body."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.requests.append((method, path, json.loads(body) if body else None))
        if method == "DELETE":
            return 204, b""
        if self.status != 200:
            return self.status, b'{"title": "No", "status": 503, "detail": "the store is full"}'
        lease = {"instance_id": path.rpartition("/")[2], "ttl_s": self.ttl_s, "shadow": self.shadow}
        return 200, json.dumps(lease).encode()

    def count(self, method: str) -> int:
        return sum(request[0] == method for request in self.requests)


@contextmanager
def listening(broker: FakeBroker, port: int = 0) -> Iterator[None]:
    """Let a fake broker listen on a port, over real HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, content = broker.answer(self.command, self.path, body)
            self.send_response(status)
            if status != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        broker.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    """A fake broker that listens."""
    fake = FakeBroker()
    with listening(fake):
        yield fake
