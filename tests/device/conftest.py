"""What tests of the device share: polling, and a real HTTP server whose replies a test writes."""

import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


class HttpReply(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Peer:
    """Answers every request with `reply` after `delay_s`; `requests`: the method, path and body of those that came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reply = HttpReply()
        self.delay_s = 0.0
        self.requests: list[tuple[str, str, bytes]] = []
        self.on_request: Callable[[Message], object] = lambda _: None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """A client that hangs up in the middle of a reply is what some tests are about."""


@pytest.fixture
def peer() -> Iterator[Peer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            double.requests.append((self.command, self.path, body))
            double.on_request(self.headers)
            time.sleep(double.delay_s)
            self.send_response(double.reply.status)
            for name, value in double.reply.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(double.reply.body)))
            self.end_headers()
            self.wfile.write(double.reply.body)

        do_GET = do_POST = answer  # noqa: N815 - the base class looks for these names

        def log_message(self, *arguments: object) -> None:
            """Not into the test's output."""

    server = _Server(("127.0.0.1", 0), Handler)
    double = Peer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield double
    server.shutdown()
    server.server_close()
    thread.join()
