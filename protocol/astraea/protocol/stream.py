"""The messages of a WebSocket stream, `GET /stream`: frames out, results back. `docs/stream-protocol.md` defines them.

Binary messages carry what is sent for every frame; their numbers are in network byte order:

    frame   device to edge    kind=1 u8, flags u8, 0 u16, id u32, deadline_ms u32, [traceparent 55 bytes], payload
    probe   device to edge    kind=2 u8, 0 u8, 0 u16, id u32, any bytes
    result  edge to device    kind=3 u8, credits u8, status u16, id u32, decode queue infer post total f32, body
    echo    edge to device    kind=4 u8, 0 u8, 0 u16, id u32

A text message, JSON, says hello (`Hello`). Nothing here does I/O.
"""

import math
import struct
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import StreamError

SUBPROTOCOL = "astraea.stream.v1"
MAX_ID = 2**32 - 1
MAX_DEADLINE_MS = 2**32 - 1
MAX_CREDITS = 255

_FRAME, _PROBE, _RESULT, _ECHO = 1, 2, 3, 4
_HAS_TRACE, _LAST_CREDIT = 1, 2
_TRACE_BYTES = 55  # of version 00: https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_HEAD = struct.Struct("!BBHI")
_FRAME_HEAD = struct.Struct("!BBHII")
_RESULT_HEAD = struct.Struct("!BBHI5f")
_BEFORE_TIMES = 4


class Message(Protocol):
    """A message's bytes: `bytes`, or what gives them slice by slice."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


class FrameMessage(NamedTuple):
    """A frame to be answered."""

    id: int
    """Chosen by the device; each is larger than the one before, 1 to `MAX_ID`."""
    payload: bytes
    """What `POST /predict` takes as its body."""
    deadline_ms: int = 0
    """Counted from sending it, when an answer is of no use any more; 0 for never."""
    trace: bytes = b""
    """Its W3C `traceparent`, or nothing."""
    last_credit: bool = False
    """Whether the device has no credit left for another: if that keeps a worker idle, it gets more."""

    def encode(self) -> bytes:
        """The message."""
        flags = (_HAS_TRACE if self.trace else 0) | (_LAST_CREDIT if self.last_credit else 0)
        head = _FRAME_HEAD.pack(_FRAME, flags, 0, self.id, self.deadline_ms)
        return b"".join((head, self.trace, self.payload))


class ProbeMessage(NamedTuple):
    """Bytes that mean nothing, to time their way."""

    id: int
    """Chosen by the device; it has nothing to do with the ids of frames."""
    padding: bytes = b""

    def encode(self) -> bytes:
        """The message."""
        return _HEAD.pack(_PROBE, 0, 0, self.id) + self.padding


class ResultMessage(NamedTuple):
    """What became of a frame."""

    id: int
    status: int
    """As a reply to `POST /predict` has it: 200, or that of a problem document."""
    credits: int
    """How many more frames the device may send for it, 0 to `MAX_CREDITS`."""
    times_ms: tuple[float, float, float, float, float]
    """Decode, queue, infer, post, total, as in `ServerTiming`; finite, not negative."""
    body: bytes
    """As of that reply."""

    def encode(self) -> bytes:
        """The message."""
        return _RESULT_HEAD.pack(_RESULT, self.credits, self.status, self.id, *self.times_ms) + self.body


class EchoMessage(NamedTuple):
    """The answer to a probe."""

    id: int

    def encode(self) -> bytes:
        """The message."""
        return _HEAD.pack(_ECHO, 0, 0, self.id)


class Hello(BaseModel):
    """What the server says first on every connection, and again when another revision of the service takes over."""

    model_config = ConfigDict(frozen=True)

    session: str = Field(max_length=64)
    """To go on with after the connection breaks; and its results can be followed by others under this name."""
    instance: str = Field(max_length=64)
    revision: str = Field(max_length=64)
    """Of the service that answers what follows."""
    credits: int = Field(ge=0, le=MAX_CREDITS)
    """How many frames the device may send more than it could before; on a new connection it could send none."""
    max_bytes: int = Field(gt=0)
    """The largest message that is taken."""
    last_id: int = Field(default=0, ge=0, le=MAX_ID)
    """The id of the last frame that has arrived in this session; 0 if none has."""
    pending: tuple[int, ...] = Field(default=(), max_length=MAX_CREDITS + 1)
    """Of those that have arrived: the ones whose results are still to come on this connection."""

    def encode(self) -> str:
        """The message."""
        return self.model_dump_json()


def read_from_device(message: Message) -> FrameMessage | ProbeMessage:
    """A binary message of a device's.

    Raises:
        StreamError: It is none.
    """
    if len(message) < _HEAD.size:
        raise StreamError(f"a message of {len(message)} bytes is too short")
    kind, flags, reserved, identity = _HEAD.unpack(message[: _HEAD.size])
    if kind == _PROBE:
        return ProbeMessage(identity, message[_HEAD.size :])
    if kind != _FRAME:
        raise StreamError(f"a message of kind {kind}, which a device doesn't send")
    if flags & ~(_HAS_TRACE | _LAST_CREDIT) or reserved:
        raise StreamError(f"flags {flags:#04x} and {reserved:#06x} mean nothing here")
    begin = _FRAME_HEAD.size + (_TRACE_BYTES if flags & _HAS_TRACE else 0)
    if len(message) < begin:
        raise StreamError(f"a frame of {len(message)} bytes breaks off in its head")
    if not identity:
        raise StreamError("a frame with the id 0; they count from 1")
    deadline_ms = int.from_bytes(message[_HEAD.size : _FRAME_HEAD.size], "big")
    trace = message[_FRAME_HEAD.size : begin] if begin > _FRAME_HEAD.size else b""
    return FrameMessage(identity, message[begin:], deadline_ms, trace, bool(flags & _LAST_CREDIT))


def read_from_edge(message: bytes) -> ResultMessage | EchoMessage:
    """A binary message of an edge server's.

    Raises:
        StreamError: It is none.
    """
    if len(message) < _HEAD.size:
        raise StreamError(f"a message of {len(message)} bytes is too short")
    kind, credit, status, identity = _HEAD.unpack_from(message)
    if kind == _ECHO:
        return EchoMessage(identity)
    if kind != _RESULT:
        raise StreamError(f"a message of kind {kind}, which an edge server doesn't send")
    if len(message) < _RESULT_HEAD.size:
        raise StreamError(f"a result of {len(message)} bytes breaks off in its head")
    times = _RESULT_HEAD.unpack_from(message)[_BEFORE_TIMES:]
    if not all(math.isfinite(ms) and ms >= 0 for ms in times):
        raise StreamError(f"a result that took {times} ms")
    return ResultMessage(identity, status, credit, times, message[_RESULT_HEAD.size :])


def read_hello(text: str | bytes) -> Hello:
    """A text message of an edge server's.

    Raises:
        StreamError: It is none.
    """
    try:
        return Hello.model_validate_json(text)
    except ValidationError as error:
        raise StreamError(f"no hello: {str(error).splitlines()[0]}") from None
