"""One WebSocket connection to an edge server: RFC 6455 by the I/O-free `websockets`, on an asyncio transport.

A frame costs a fraction of the CPU time that a request of an HTTP client takes; `python -m benchmarks.transports` has
both.
"""

import asyncio
import fcntl
import ssl
import struct
import termios
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from astraea.protocol import StreamError
from astraea.protocol.stream import SUBPROTOCOL, EchoMessage, Hello, ResultMessage, read_from_edge, read_hello

from ..errors import CorruptError, NoStreamError, TransportError, UnreachableError
from .base import CONNECT_TIMEOUT_S, MAX_REPLY_BYTES, refusal
from .proxying import open_connection

_HANDSHAKE_TIMEOUT_S = 2.0
_NORMAL, _UNSUPPORTED = 1000, 1003
_NOT_HERE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UPGRADE_REQUIRED,
    HTTPStatus.NOT_IMPLEMENTED,
)
"""What servers and proxies say to a handshake when they have no WebSocket there."""


class Receiver(Protocol):
    """Who is told what comes."""

    def on_hello(self, wire: "Wire", hello: Hello) -> None:
        """The server says hello: the first thing that comes."""

    def on_result(self, wire: "Wire", result: ResultMessage) -> None:
        """A frame has its result."""

    def on_echo(self, wire: "Wire", echo: EchoMessage) -> None:
        """A probe has come back."""

    def on_lost(self, wire: "Wire", error: TransportError) -> None:
        """The connection is gone, after its hello."""


class Wire(asyncio.Protocol):
    """A connection; made by `open_wire`.

    Attributes:
        heard_bytes: what has come so far.
        going_away: whether the server has said that it ends.
    """

    def __init__(self, url: str, protocol: ClientProtocol, headers: Mapping[str, str], receiver: Receiver) -> None:
        self.heard_bytes = 0
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._url = url
        self._protocol = protocol
        self._headers = headers
        self._receiver = receiver
        self._transport = cast("asyncio.Transport", None)
        self._parts: list[bytes] = []
        self._is_text = False
        """Whether the message whose parts come is one of text."""
        self._error: TransportError | None = None

    @property
    def going_away(self) -> bool:
        """Whether the server has closed it by the closing handshake: what is not answered won't be."""
        return self._protocol.close_rcvd is not None

    @property
    def unacknowledged_bytes(self) -> int:
        """What was sent and is still on its way, or waits to be; see tcp(7), SIOCOUTQ."""
        waiting = self._transport.get_write_buffer_size()
        try:
            reply = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # closed just now
            return waiting
        return waiting + int(struct.unpack("i", reply)[0])

    def send(self, message: bytes) -> None:
        """Send a binary message."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(message)
            self._write()

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._write()

    def close(self) -> None:
        """Take leave."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(_NORMAL)
            self._write()
        self._transport.close()

    def abort(self) -> None:
        """Let go of it without a word."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = cast("asyncio.Transport", transport)
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._write()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.heard_bytes += len(data)
        self._protocol.receive_data(data)
        try:
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    self._take(event)
                elif isinstance(event, Response) and self._protocol.handshake_exc is not None:
                    self._error = _refused(self._url, event)
        except StreamError as error:
            self._error = CorruptError(f"{self._url}: {error}")
            self._protocol.fail(_UNSUPPORTED)
        self._write()
        if self._protocol.state is not State.OPEN and (self._protocol.close_sent or self._protocol.handshake_exc):
            self._transport.close()  # a server should, but may not

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        error = self._error or self._reason(exc)
        if not self.greeted.done():
            self.greeted.set_exception(error)
        elif not self.greeted.cancelled() and self.greeted.exception() is None:
            self._receiver.on_lost(self, error)

    def _take(self, frame: Frame) -> None:
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message, self._parts = b"".join(self._parts), []
        if self._is_text:
            hello = read_hello(message)
            self._receiver.on_hello(self, hello)
            if not self.greeted.done():
                self.greeted.set_result(None)
            return
        read = read_from_edge(message)
        if isinstance(read, EchoMessage):
            self._receiver.on_echo(self, read)
        else:
            self._receiver.on_result(self, read)

    def _reason(self, exc: Exception | None) -> TransportError:
        closed, failed = self._protocol.close_rcvd, self._protocol.handshake_exc or self._protocol.parser_exc
        if closed is not None:
            return UnreachableError(f"{self._url} closed the stream: {closed.reason or closed.code}")
        if isinstance(failed, InvalidHandshake):
            return NoStreamError(f"{self._url} answers a WebSocket's handshake with something else: {failed}")
        return UnreachableError(f"{self._url}: {exc or 'the connection broke off'}")

    def _write(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data and not self._transport.is_closing():
            self._transport.write(data)


async def open_wire(url: str, query: str, headers: Mapping[str, str], receiver: Receiver) -> Wire:
    """Connect to an edge server's `/stream`, and wait for its hello.

    Args:
        url: the server's base address.
        query: what goes on, and how; with its question mark, or empty.
        headers: further ones of the request.
        receiver: is told what comes.

    Raises:
        NoStreamError: the server has no streams.
        RefusedError: it takes none from us, or none now.
        UnreachableError: nobody answers.
    """
    try:
        uri = parse_uri(f"{url.replace('http', 'ws', 1)}/stream{query}")
    except (InvalidURI, ValueError):
        raise UnreachableError(f"{url} is no http:// or https:// address") from None
    protocol = ClientProtocol(uri, subprotocols=[cast("Subprotocol", SUBPROTOCOL)], max_size=MAX_REPLY_BYTES)
    secure = _tls() if uri.secure else None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            wire = await open_connection(uri, lambda: Wire(url, protocol, headers, receiver), secure)
    except TimeoutError:
        raise UnreachableError(f"{url}: no connection within {CONNECT_TIMEOUT_S:.1f} s") from None
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"{url}: {error}") from None
    try:
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT_S):
            await wire.greeted
    except TimeoutError:
        raise UnreachableError(f"{url}: no hello within {_HANDSHAKE_TIMEOUT_S:.1f} s") from None
    finally:
        if wire.greeted.cancelled():
            wire.abort()
    return wire


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates of all authorities takes 20 ms."""
    return ssl.create_default_context()


def _refused(url: str, response: Response) -> TransportError:
    if response.status_code < HTTPStatus.BAD_REQUEST or response.status_code in _NOT_HERE:
        return NoStreamError(f"{url} answered {response.status_code} to a WebSocket's handshake")
    return refusal(url, response.status_code, bytes(response.body))
