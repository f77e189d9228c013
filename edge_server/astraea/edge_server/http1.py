"""One HTTP/1.1 connection: the plain `POST /predict` is read and answered here, everything else by uvicorn.

What a device sends, frame after frame, is one request with a body of known length. For it uvicorn and an ASGI
application take some 0.7 ms of CPU, most of it because inference has emptied the caches of their code: a task, an
event, six coroutines, four copies of the body. Here it is one parse of the head, one copy of the body at the most, and
one call when the answer is there: 0.3 ms. Whatever is unusual about a request (another path or method, no
`Content-Length` or two, `Expect`, a head in two packets, ...) is left to uvicorn, which takes over from the request's
first byte; so nothing is read in two ways. A request that opens a stream hands the connection over to `streams/`.
"""

import asyncio
import re
from http import HTTPStatus
from io import BytesIO
from time import monotonic
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from .answering import Answering
from .api import Ticket
from .auth import Guard
from .errors import BodyTimeoutError, RequestError
from .exchange import Headers, Reply
from .limits import Limits
from .low_water import LowWaterMark
from .pool import Job
from .streams.entrance import Entrance, asks_for_stream

_SCRATCH_BYTES = 256 * 1024
_REQUEST_LINE = b"POST /predict HTTP/1.1\r\n"
# RFC 9110, 5.1 and 5.5: on a line of its own a token, a colon, and a value without control characters.
_FIELD = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)(?=\r\n)")
_MAX_HEAD_BYTES = 8 * 1024
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"origin", b"te", b"trailer"})
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def parse_head(data: bytes) -> tuple[Headers, int] | None:
    """The headers of a plain `POST /predict`, and where its body begins; None for any other or incomplete request.

    Names are in lower case. There is a `content-length` of digits, and no header twice.
    """
    if not data.startswith(_REQUEST_LINE):
        return None
    end = data.find(b"\r\n\r\n", 0, _MAX_HEAD_BYTES)
    if end < 0:
        return None
    lines = data.count(b"\r\n", 0, end)
    headers = {name.lower(): value.rstrip(b" \t") for name, value in _FIELD.findall(data, 0, end + 2)}
    plain = (
        len(headers) == lines
        and headers.get(b"content-length", b"").isdigit()
        and headers.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        and _UNUSUAL.isdisjoint(headers)
    )
    return (headers, end + 4) if plain else None


class Front:
    """All connections of one server.

    Args:
        answering: Answers `POST /predict`.
        limits: What is accepted.
        keep_alive_s: How long a connection without a request is kept.
        guard: Lets requests pass; None lets all.
        entrance: Takes the connections over that become streams; None for a server without.
    """

    def __init__(
        self,
        answering: Answering,
        limits: Limits,
        keep_alive_s: float,
        guard: Guard | None = None,
        entrance: Entrance | None = None,
    ) -> None:
        self.answering = answering
        self.entrance = entrance
        self.guard = guard
        self.limits = limits
        # One for all connections: the loop fills it and hands it over in one go.
        self.scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._keep_alive_s = keep_alive_s
        self._connections: set[Connection] = set()

    def protocol(self, config: Config, server_state: ServerState, app_state: Any, _loop: Any = None) -> "Connection":
        """A connection, as uvicorn asks for it."""
        return Connection(self, config, server_state, app_state)

    def opened(self, connection: "Connection") -> None:
        """Count a connection in."""
        self._connections.add(connection)

    def closed(self, connection: "Connection") -> None:
        """Count it out."""
        self._connections.discard(connection)

    def sweep(self, now_s: float) -> None:
        """Close the connections whose body or next request doesn't come; to be called every now and then.

        Args:
            now_s: By `time.monotonic`.
        """
        for connection in tuple(self._connections):
            connection.expire(now_s, self.limits.body_s, self._keep_alive_s)
        if self.entrance is not None:
            self.entrance.sweep(now_s)


class _Uvicorn(HttpToolsProtocol):
    """uvicorn's own protocol, which knows whether it is amid a request."""

    amid_request = False

    def on_message_begin(self) -> None:
        self.amid_request = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.amid_request = False

    @property
    def idle(self) -> bool:
        """Whether it has answered all it was given, and was given nothing incomplete."""
        return not (self.amid_request or self.pipeline) and (self.cycle is None or self.cycle.response_complete)

    @property
    def idle_timer(self) -> asyncio.TimerHandle | None:
        return self.timeout_keep_alive_task

    def stop_idle_timer(self) -> None:
        self._unset_keepalive_if_required()


class Connection(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, front: Front, config: Config, server_state: ServerState, app_state: Any) -> None:
        self._front = front
        self._answering = front.answering
        self._server = server_state
        self._rest = _Uvicorn(config, server_state, app_state)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._since_s = 0.0
        """When it was opened, got the head of its request, or answered it; by `time.monotonic`."""
        self._ticket: Ticket | None = None
        """Of the request whose body is being received."""
        self._body = BytesIO()
        self._room = memoryview(b"")
        """What is left to fill of the body."""
        self._low_water: LowWaterMark | None = None
        """None before there was a body that came in parts."""
        self._unwanted = 0
        """Bytes to come of the body of a request that was refused."""
        self._busy = False
        """Whether the answer is awaited."""
        self._job: Job | None = None
        self._early = b""
        """What came of the next request while this one was answered."""
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._since_s = monotonic()
        self._rest.connection_made(self._transport)
        # The server asks those in its set to end; we know whether uvicorn's part of us may.
        self._server.connections.discard(self._rest)
        self._server.connections.add(self)  # type: ignore[arg-type] # it calls `shutdown` alone
        self._front.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._forget()
        if self._job is not None:
            self._job.abandoned = True
        if self._ticket is not None:
            self._answering.release(self._ticket)
            self._ticket = None
        self._rest.connection_lost(exc)

    def eof_received(self) -> None:
        """See asyncio.BufferedProtocol."""

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._rest.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._rest.resume_writing()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """See asyncio.BufferedProtocol: the rest of the body itself, or what is looked at next."""
        if self._ticket is not None:
            return self._room
        return self._front.scratch[: self._unwanted] if self._unwanted else self._front.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        if self._ticket is not None:
            self._room = self._room[nbytes:]
            self._wait_for(len(self._room) or 1)
            if not self._room:
                self._begin(self._ticket, self._body.getvalue())
        elif self._unwanted:
            self._unwanted -= min(nbytes, self._unwanted)
        else:
            self._receive(self._front.scratch[:nbytes])

    def shutdown(self) -> None:
        """End once what was asked is answered; uvicorn calls it when the server is to end."""
        self._closing = True
        if self._ticket is None and not self._busy:
            self._rest.shutdown()

    def expire(self, now_s: float, body_s: float, keep_alive_s: float) -> None:
        """Close it if it has waited for too long."""
        if self._ticket is not None:
            if now_s - self._since_s > body_s:
                self._answering.release(self._ticket)
                self._ticket, self._closing = None, True
                self._reply(self._answering.failed(BodyTimeoutError(f"the body took more than {body_s:.0f} s")))
        elif not self._busy and self._rest.idle and not self._rest.idle_timer and now_s - self._since_s > keep_alive_s:
            self._transport.close()

    def _receive(self, data: memoryview) -> None:
        if self._busy or self._early:  # the client doesn't wait for its answer
            self._early += data
            self._transport.pause_reading()
        else:
            self._process(data)

    def _resume(self) -> None:
        data, self._early = self._early, b""
        self._transport.resume_reading()
        self._process(memoryview(data))

    def _process(self, data: memoryview) -> None:
        head = bytes(data[:_MAX_HEAD_BYTES])
        parsed = parse_head(head) if self._rest.idle else None
        if parsed is not None and int(parsed[0][b"content-length"]) <= self._front.limits.body_bytes:
            self._start(parsed[0], data[parsed[1] :])
        elif self._front.entrance is not None and self._rest.idle and asks_for_stream(head):
            self._forget()
            self._rest.stop_idle_timer()
            self._front.entrance.take(bytes(data), self._transport, self._server, self._front.scratch)
        else:
            self._leave(bytes(data))

    def _leave(self, data: bytes) -> None:
        self._rest.data_received(data)
        if self._transport.get_protocol() is not self:  # it has become another protocol's
            self._forget()

    def _forget(self) -> None:
        if self._low_water is not None:
            self._low_water.close()
        self._server.connections.discard(self)
        self._front.closed(self)

    def _start(self, headers: Headers, data: memoryview) -> None:
        self._rest.stop_idle_timer()
        self._since_s = monotonic()
        size = int(headers[b"content-length"])
        part = data[:size]
        self._early = bytes(data[size:])
        try:
            if self._front.guard is not None:
                self._front.guard.check(headers.get(b"authorization"))
            ticket = self._answering.admit(headers)
        except RequestError as error:
            self._unwanted = size - len(part)
            self._reply(self._answering.failed(error))
            return
        if len(part) == size:
            self._begin(ticket, bytes(part))
            return
        self._ticket = ticket
        self._body = BytesIO(bytes(size))  # of a BytesIO, what is received into its buffer is bytes without a copy
        room = self._body.getbuffer()
        room[: len(part)] = part
        self._room = room[len(part) :]
        self._wait_for(len(self._room))

    def _wait_for(self, size: int) -> None:
        if self._low_water is None:
            self._low_water = LowWaterMark(self._transport)
        self._low_water.set(size)

    def _begin(self, ticket: Ticket, body: bytes) -> None:
        self._ticket, self._body, self._room = None, BytesIO(), memoryview(b"")
        self._busy = True
        self._job = self._answering.submit(ticket, body, self._reply)

    def _reply(self, reply: Reply) -> None:
        self._busy, self._job = False, None
        if self._transport.is_closing():
            return
        self._since_s = monotonic()
        parts = [_STATUS_LINES[reply.status]]
        for name, value in (*self._server.default_headers, *reply.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"connection: close\r\n\r\n" if self._closing else b"\r\n", reply.body)
        self._transport.write(b"".join(parts))
        if self._closing:
            self._transport.close()
        elif self._early:
            asyncio.get_running_loop().call_soon(self._resume)
