"""`GET /stream`: who may open a stream over a WebSocket, and which stream goes on."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qs, urlsplit

from starlette.responses import Response
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.http11 import Response as HandshakeResponse
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from astraea.protocol.stream import SUBPROTOCOL

from ..auth import Guard
from ..errors import BadInputError, RequestError, UnauthorizedError
from ..exchange import problem_response, refusal
from .session import Sessions
from .stream import Stream, largest_message
from .websocket import CLOSE_POLICY, StreamConnection

_RESUME_S = 30.0  # a device that is away for longer has answered its frames itself
_ORDERS = {"done": False, "sent": True}


class Entrance:
    """Opens streams, lets devices that were cut off go on with theirs, and ends those that nobody comes back for.

    Args:
        sessions: Of the instance.
        guard: Lets requests pass; None lets all.
        origins: Of the web pages that may open a stream, besides the server's own.
    """

    def __init__(self, sessions: Sessions, guard: Guard | None = None, origins: Sequence[str] = ()) -> None:
        self._sessions = sessions
        self._guard = guard
        self._origins = origins
        self._streams: dict[str, Stream] = {}
        self._connections: dict[StreamConnection, bytes | None] = {}
        """Each with what it was authorised by."""

    def take(self, head: bytes, transport: asyncio.Transport, server: ServerState, scratch: memoryview) -> None:
        """Take a connection over; it becomes a stream's, or is told why not and closed.

        Args:
            head: The whole head of its request, and what came with it.
            transport: The connection.
            server: uvicorn's state.
            scratch: What is received into.
        """
        protocol = ServerProtocol(
            subprotocols=[cast("Subprotocol", SUBPROTOCOL)],
            select_subprotocol=_select,
            max_size=largest_message(self._sessions.api.limits.body_bytes),
        )
        protocol.receive_data(head)
        events = protocol.events_received()
        try:
            stream, authorization, response = self._welcome(protocol, events[0] if events else None)
        except RequestError as error:
            stream, authorization, response = None, None, _handshake_response(refusal(error))
        protocol.send_response(response)
        transport.write(b"".join(protocol.data_to_send()))
        if stream is None:
            transport.close()
            return
        connection = StreamConnection(stream, self._sessions.api, protocol, transport, scratch=scratch, server=server)
        transport.set_protocol(connection)
        self._connections[connection] = authorization

    def sweep(self, now_s: float) -> None:
        """Let go of what is dead, expired or not authorised any more; to be called every second or so.

        Args:
            now_s: By `time.monotonic`.
        """
        for connection, authorization in tuple(self._connections.items()):
            if connection.lost:
                del self._connections[connection]
                continue
            try:
                if self._guard is not None:
                    self._guard.check(authorization)
            except UnauthorizedError as error:
                connection.close(CLOSE_POLICY, str(error))
            connection.sweep(now_s, self._sessions.api.limits.body_s)
        for stream in tuple(self._streams.values()):
            if stream.detached_s is not None and now_s - stream.detached_s > _RESUME_S:
                stream.end()
            if stream.ended:
                del self._streams[stream.id]

    def _welcome(
        self, protocol: ServerProtocol, request: object
    ) -> tuple[Stream | None, bytes | None, HandshakeResponse]:
        """The stream that a request opens, by what it may, and the reply to it.

        Raises:
            RequestError: It may not, or not now.
        """
        if not isinstance(request, Request):
            raise BadInputError("the request's head is damaged")
        authorization = _authorization(request)
        if self._guard is not None:
            self._guard.check(authorization)
        protocol.origins = self._accepted_origins(request)
        response = protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return None, None, _in_our_words(response)
        return self._stream(request), authorization, response

    def _stream(self, request: Request) -> Stream:
        """The stream that a request asks for: the one it names, if it still goes on, else a new one.

        Raises:
            BadInputError: It asks for what there isn't.
            RefusedError: There can't be one more.
        """
        query = parse_qs(urlsplit(request.path).query)
        order = query.get("order", ["done"])[-1]
        if order not in _ORDERS:
            raise BadInputError(f"order is {order[:20]!r}, not one of {', '.join(_ORDERS)}")
        known = self._streams.get(query.get("session", [""])[-1])
        if known is not None and not known.ended:
            return known
        if len(self._sessions) >= self._sessions.api.limits.streams:
            self._end_oldest()
        stream = Stream(self._sessions, in_order=_ORDERS[order])
        self._streams[stream.id] = stream
        return stream

    def _end_oldest(self) -> None:
        """Make room: of the streams that wait for their devices, the first is the least likely to go on."""
        waiting = [stream for stream in self._streams.values() if not stream.ended and stream.detached_s is not None]
        if waiting:
            min(waiting, key=lambda stream: stream.detached_s or 0.0).end()

    def _accepted_origins(self, request: Request) -> list[Origin | None]:
        """Any page can have a browser open a WebSocket to anywhere; CORS doesn't keep it from that, servers must."""
        own = [f"{scheme}://{host}" for host in request.headers.get_all("Host") for scheme in ("http", "https")]
        return [None, *(cast("Origin", origin) for origin in (*self._origins, *own))]


def asks_for_stream(data: bytes) -> bool:
    """Whether a connection's bytes are the whole head of a request that opens a WebSocket to `/stream`."""
    if not data.startswith((b"GET /stream HTTP/1.1\r\n", b"GET /stream?")):
        return False
    head, end, _ = data.partition(b"\r\n\r\n")
    return bool(end) and b"\r\nsec-websocket-key:" in head.lower()


def _select(_protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Ours among those that a client offers; one that offers none, such as a tool for a first look, may go on."""
    ours = cast("Subprotocol", SUBPROTOCOL)
    return ours if ours in offered else None


def _authorization(request: Request) -> bytes | None:
    values = request.headers.get_all("Authorization")
    return values[0].encode("latin-1") if len(values) == 1 else None


def _in_our_words(response: HandshakeResponse) -> HandshakeResponse:
    """A refusal of the library's as a problem document."""
    detail = bytes(response.body).decode().strip().splitlines()[0]
    return _handshake_response(problem_response(response.status_code, detail, headers=_upgrade(response.headers)))


def _upgrade(headers: Headers) -> Mapping[str, str] | None:
    return {"upgrade": headers["Upgrade"]} if "Upgrade" in headers else None


def _handshake_response(response: Response) -> HandshakeResponse:
    headers = Headers([("Connection", "close"), *response.headers.items()])
    phrase = HTTPStatus(response.status_code).phrase
    return HandshakeResponse(response.status_code, phrase, headers, bytes(response.body))
