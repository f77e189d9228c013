"""One WebSocket connection (RFC 6455): bytes in, messages to a stream, messages of the stream out.

A frame that is a whole message is read here (see `frames`). All else that the standard asks for, such as fragments,
pings and the closing handshake, is the work of the `websockets` library's I/O-free protocol. No compression is offered:
pictures don't get any smaller.
"""

import asyncio
from time import monotonic

from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from astraea.protocol import StreamError
from astraea.protocol.stream import Message

from ..api import Api
from ..errors import BusyError
from ..low_water import LowWaterMark
from .frames import FrameReader, Received
from .stream import Stream

_PING_S = 20.0  # of silence
_DEAD_S = 45.0  # of silence, a ping included
_CLOSING_S = 3.0  # for the peer's part of the closing handshake
_HEAD_BYTES = 4096  # received at first, such as a whole probe; of more, all would be copied to where a frame is to lie
_MAX_REASON_BYTES = 123  # RFC 6455, 5.5

CLOSE_UNSUPPORTED = 1003
CLOSE_INVALID = 1007
CLOSE_POLICY = 1008
CLOSE_TRY_LATER = 1013


class StreamConnection(asyncio.BufferedProtocol):
    """A connection whose opening handshake is done.

    Args:
        stream: What it carries.
        api: Keeps room for what is received.
        protocol: The connection's, after its handshake.
        transport: The connection itself.
        scratch: What is received into; shared by all connections of the event loop.
        server: uvicorn's state, which a connection is part of until it is lost.
    """

    def __init__(
        self,
        stream: Stream,
        api: Api,
        protocol: ServerProtocol,
        transport: asyncio.Transport,
        *,
        scratch: memoryview,
        server: ServerState,
    ) -> None:
        self.lost = False
        self._stream = stream
        self._api = api
        self._protocol = protocol
        self._transport = transport
        self._scratch = scratch[:_HEAD_BYTES]
        self._server = server
        self._parts: list[bytes] = []
        """Of a message in fragments."""
        self._held_bytes = 0
        """Room that is kept for them."""
        self._frames = FrameReader(stream.max_bytes, api.hold)
        self._low_water = LowWaterMark(transport)
        self._deaf = False
        """Whether what comes is nobody's any more."""
        self._received = 0
        """Bytes since `sweep` looked last."""
        self._heard_s = self._whole_s = monotonic()
        """When `sweep` knew something to have come, and no message to be incomplete."""
        self._pinged = False
        self._closing_s: float | None = None
        """When `sweep` knew it to be closing."""
        self._we_close = False
        server.connections.add(self)  # type: ignore[arg-type] # it calls `shutdown` alone
        stream.attach(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """See asyncio.BufferedProtocol."""
        return self._scratch if self._deaf else self._frames.room or self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._received += nbytes
        if self._deaf:
            return
        try:
            if self._frames.room:
                if frame := self._frames.filled(nbytes):
                    self._take(frame)
            else:
                for frame in self._frames.feed(self._scratch[:nbytes]):
                    self._take(frame)
            self._low_water.set(len(self._frames.room) or 1)
        except BusyError as error:
            self._fail(CLOSE_TRY_LATER, str(error))
        except StreamError as error:
            self._fail(CLOSE_INVALID, str(error))

    def eof_received(self) -> None:
        """See asyncio.BufferedProtocol."""
        self._protocol.receive_eof()
        self._write()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See asyncio.BaseProtocol."""
        self.lost = True
        self._server.connections.discard(self)
        self._let_go()
        self._low_water.close()
        taken_leave = self._protocol.close_rcvd is not None and not self._we_close
        self._stream.detach(self, monotonic(), for_good=taken_leave)

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol: one that reads no answers is not read from."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._transport.resume_reading()

    def shutdown(self) -> None:
        """End once what was sent is answered; uvicorn calls it when the server is to end."""
        self._stream.wind_up()

    def send_text(self, text: str) -> None:
        """See Carrier."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())
            self._write()

    def send_binary(self, message: bytes) -> None:
        """See Carrier."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(message)
            self._write()

    def close(self, code: int, reason: str) -> None:
        """See Carrier."""
        if self._protocol.state is State.OPEN:
            self._we_close = True
            self._protocol.send_close(code, _cut(reason))
            self._write()

    def sweep(self, now_s: float, body_s: float) -> None:
        """Ask a silent peer for a sign of life, and let go of one that gives none; to be called every second or so.

        Args:
            now_s: By `time.monotonic`.
            body_s: How long a message may take to come.
        """
        if self._received:
            self._received, self._heard_s, self._pinged = 0, now_s, False
        if not (self._frames.is_amid_frame or self._parts):
            self._whole_s = now_s
        if self._protocol.state is not State.OPEN:
            self._closing_s = self._closing_s or now_s
            if now_s - self._closing_s > _CLOSING_S:
                self._transport.abort()
        elif now_s - self._heard_s > _DEAD_S:
            self._transport.abort()
        elif now_s - self._whole_s > body_s:
            self._fail(CLOSE_POLICY, f"a message took more than {body_s:.0f} s")
        elif now_s - self._heard_s > _PING_S and not self._pinged:
            self._pinged = True
            self._protocol.send_ping(b"")
            self._write()

    def _take(self, frame: Received) -> None:
        if self._deaf:
            self._api.let_go(frame.held_bytes)
        elif frame.message is not None:
            self._take_message(frame.message, frame.held_bytes)
        else:
            self._held_bytes += frame.held_bytes
            self._protocol.receive_data(frame.data)
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    self._take_part(event)
            self._write()

    def _take_message(self, message: Message, held_bytes: int) -> None:
        if self._parts or self._protocol.state is not State.OPEN:
            self._api.let_go(held_bytes)
            if self._parts:
                raise StreamError("a message amid the fragments of another")
        else:
            self._stream.receive(message, held_bytes)

    def _take_part(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            raise StreamError("text messages are not taken; frames are binary")
        if frame.opcode in {Opcode.BINARY, Opcode.CONT}:
            self._parts.append(bytes(frame.data))
        if self._parts and not (frame.fin and frame.opcode in {Opcode.BINARY, Opcode.CONT}):
            return
        message, held_bytes = b"".join(self._parts), self._held_bytes
        was_message, self._parts, self._held_bytes = bool(self._parts), [], 0
        if was_message:
            self._take_message(message, held_bytes)
        else:
            self._api.let_go(held_bytes)

    def _let_go(self) -> None:
        self._api.let_go(self._held_bytes + self._frames.held_bytes)
        self._held_bytes = self._frames.held_bytes = 0

    def _fail(self, code: int, reason: str) -> None:
        self._we_close = True
        self._protocol.fail(code, _cut(reason))
        self._write()

    def _write(self) -> None:
        parts = self._protocol.data_to_send()
        if not parts or self._transport.is_closing():
            return
        self._transport.write(b"".join(parts))
        if not parts[-1]:  # the library's sign for the end
            self._finish()

    def _finish(self) -> None:
        """Let the peer close. Closed here, a socket with something unread resets, and our reason is lost with it."""
        self._deaf = True
        self._let_go()
        if self._protocol.close_rcvd is not None:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()


def _cut(reason: str) -> str:
    """As much of a reason as a closing frame has room for."""
    return reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
