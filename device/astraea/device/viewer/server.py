"""The viewer's HTTP server: the page, the messages, the pictures."""

import hmac
import ipaddress
import secrets
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from ..errors import DeviceError
from .board import Board
from .gallery import Gallery

_PAGES: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/viewer.css": ("viewer.css", "text/css; charset=utf-8"),
    "/viewer.js": ("viewer.js", "text/javascript; charset=utf-8"),
    "/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
    "/picture.js": ("picture.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_COOKIE = "astraea-viewer"
_ANY = "0.0.0.0"  # noqa: S104 - compared with, not listened on
_ELSEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): the way to it is the way to anywhere."""
_MOST_CONNECTIONS = 32
"""A thread each; a browser opens six."""
_IDLE_S = 20.0
_BEAT_S = 5.0
"""Silence after which a comment is sent on the event stream: it shows whether the watcher is still there."""


class ViewerServer:
    """Serves the page on threads of its own, while the context lasts.

    On loopback anybody on the machine may look, if the page is asked for by a name of this machine. Elsewhere it takes
    the secret that `url` carries, as Jupyter does it; the page keeps it in a cookie.

    Args:
        board: The messages.
        gallery: The pictures.
        host: The IPv4 address to listen on, or a name of it; beyond loopback, who has the secret sees your room.
        port: The TCP port; 0 takes a free one.

    Raises:
        DeviceError: Nothing can listen there.
    """

    def __init__(self, board: Board, gallery: Gallery, *, host: str = "127.0.0.1", port: int = 0) -> None:
        secret = None if is_loopback(host) else secrets.token_urlsafe(16)
        try:
            self._server = _Server((host, port), board, gallery, secret)
        except (OSError, OverflowError) as error:
            raise DeviceError(
                f"the page can't be served on {host}:{port}: {error}", hint="choose another --port, or --port 0"
            ) from None
        self.url = f"http://{_reached(host)}:{self._server.server_port}/" + (f"?token={secret}" if secret else "")
        """Where a browser finds it."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="viewer-http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reached(host: str) -> str:
    """What others call an address: for that which stands for all of this machine's, the one that leads outwards."""
    if host != _ANY:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outwards:
        try:
            outwards.connect(_ELSEWHERE)  # sends nothing
        except OSError:
            return socket.gethostname()
        return str(outwards.getsockname()[0])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], board: Board, gallery: Gallery, secret: str | None) -> None:
        self.board, self.gallery, self.secret = board, gallery, secret
        self.closing = threading.Event()
        self.places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve a connection if there is room for one more, else hang up."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[arg-type] # a socket, which typeshed spells otherwise
            return
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self.places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A watcher who goes away in the middle of a picture is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "astraea", ""
    timeout = _IDLE_S

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        token = parse_qs(parts.query).get("token", [""])[0]
        if not self._may_look(token):
            self._send(HTTPStatus.FORBIDDEN, b"Open the address that `astraea camera` printed.\n", "text/plain")
        elif parts.path in _PAGES:
            self._send_page(parts.path, grant=bool(token))
        elif parts.path == "/events":
            self._send_events()
        elif parts.path.startswith("/frames/"):
            self._send_picture(parts.path.removeprefix("/frames/").removesuffix(".jpg"))
        else:
            self._send(HTTPStatus.NOT_FOUND, b"There is nothing here.\n", "text/plain")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Ten pictures a second are not worth a line each."""

    def _may_look(self, token: str) -> bool:
        secret = self.server.secret
        if secret is None:  # a page of elsewhere must not look through a name that it points at this machine
            return is_loopback((urlsplit(f"//{self.headers.get('Host', '')}").hostname) or "")
        return any(hmac.compare_digest(given.encode(), secret.encode()) for given in (token, self._cookie()))

    def _cookie(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _send_page(self, path: str, *, grant: bool) -> None:
        name, media_type = _PAGES[path]
        secret = self.server.secret
        cookie = {"Set-Cookie": f"{_COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/"} if grant and secret else {}
        self._send(HTTPStatus.OK, files(__package__).joinpath("page", name).read_bytes(), media_type, cookie)

    def _send_picture(self, seq: str) -> None:
        jpeg = self.server.gallery.jpeg(int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 16 else None
        if jpeg is None:
            self._send(HTTPStatus.NOT_FOUND, b"That picture is not kept any more.\n", "text/plain")
        else:
            self._send(HTTPStatus.OK, jpeg, "image/jpeg")

    def _send_events(self) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (_HEADERS | {"Content-Type": "text/event-stream", "Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()
        last = self.headers.get("Last-Event-ID", "")
        number = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0
        while not self.server.closing.is_set():
            messages = self.server.board.after(number, _BEAT_S)
            self.wfile.write(b"".join(message.encode() for message in messages) or b": beat\n\n")
            number = messages[-1].number if messages else number
        self.close_connection = True

    def _send(self, status: HTTPStatus, body: bytes, media_type: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (_HEADERS | {"Content-Type": media_type, "Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
