"""From a connection's bytes to WebSocket frames (RFC 6455, 5.2), each received into memory of its own; does no I/O.

Over a mobile network a picture comes in dozens of packets. Each that is handed to a general parser costs as much as the
copying of them all, so here a packet only fills in what is left of its frame. What is not a whole binary message, such
as a ping or a fragment, is for the `websockets` library, in one piece: what it means, and what is wrong with it, is
judged there.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from websockets.frames import apply_mask  # type: ignore[attr-defined] # written in C where it could be built

_FIN_BINARY, _MASKED = 0x82, 0x80
_WIDE = {126: 2, 127: 8}
"""Bytes of a length that doesn't fit into seven bits, by what stands in its place."""
_MASK_BYTES = 4


class Head(NamedTuple):
    """What a frame says of itself."""

    size_bytes: int
    """Of the head itself."""
    payload_bytes: int
    is_message: bool
    """Whether the frame is a binary message, whole and masked as a client's must be."""
    mask: bytes
    """Empty if it has none."""


class MaskedMessage:
    """A binary message as it came. A slice of it is bytes: unmasked, and copied, no more than once."""

    def __init__(self, frame: bytearray, mask: bytes) -> None:
        self._frame = memoryview(frame)
        self._mask = mask

    def __len__(self) -> int:
        return len(self._frame)

    def __getitem__(self, part: slice) -> bytes:
        begin, _, _ = part.indices(len(self._frame))
        turn = begin % _MASK_BYTES
        return apply_mask(self._frame[part], self._mask[turn:] + self._mask[:turn])


class Received(NamedTuple):
    """A frame that has come."""

    message: MaskedMessage | None
    """None if it isn't a message."""
    data: bytes
    """Then, all its bytes, as they came."""
    held_bytes: int
    """Room that was kept for it."""


def read_head(data: memoryview) -> Head | None:
    """The head of the frame that some bytes begin with; None while it isn't there in full."""
    if len(data) < 2:
        return None
    masked, length = data[1] & _MASKED, data[1] & ~_MASKED
    wide = _WIDE.get(length, 0)
    size = 2 + wide + (_MASK_BYTES if masked else 0)
    if len(data) < size:
        return None
    if wide:
        length = int.from_bytes(data[2 : 2 + wide], "big")
    mask = bytes(data[size - _MASK_BYTES : size]) if masked else b""
    return Head(size, length, data[0] == _FIN_BINARY and bool(masked), mask)


class FrameReader:
    """Cuts what comes on one connection into frames.

    Args:
        most_bytes: The largest payload that is received.
        hold: Keeps room for a payload before it is received; may refuse by an exception.

    Attributes:
        room: What is to be received into, if it isn't empty; then tell `filled`, else `feed`.
        held_bytes: Room that was kept for the frame that is being received.
    """

    def __init__(self, most_bytes: int, hold: Callable[[int], None]) -> None:
        self.room = memoryview(b"")
        self.held_bytes = 0
        self._most_bytes = most_bytes
        self._hold = hold
        self._rest = b""
        """A head that isn't there in full."""
        self._mask = b""
        self._frame = bytearray()

    @property
    def is_amid_frame(self) -> bool:
        """Whether the rest of a frame is to come."""
        return bool(self.room or self._rest)

    def filled(self, count: int) -> Received | None:
        """So many bytes of `room` have been received; the frame that is complete with them."""
        self.room = self.room[count:]
        return None if self.room else self._finish()

    def feed(self, data: memoryview) -> Iterator[Received]:
        """The frames that are complete with these bytes.

        Of a frame that is too large, only the head is given: nothing that follows it is one.
        """
        if self._rest:
            data = memoryview(self._rest + data)
        while (head := read_head(data)) is not None:
            if head.payload_bytes > self._most_bytes:
                yield Received(None, bytes(data[: head.size_bytes]), 0)
                return
            self._begin(head, data)
            data = data[head.size_bytes + head.payload_bytes :]
            if self.room:
                return
            yield self._finish()
        self._rest = bytes(data)

    def _begin(self, head: Head, data: memoryview) -> None:
        """Make room for a frame, and fill in what is there of it."""
        self._hold(head.payload_bytes)
        self.held_bytes = head.payload_bytes
        self._rest = b""
        self._mask = head.mask if head.is_message else b""
        begin = head.size_bytes if head.is_message else 0
        end = head.size_bytes + head.payload_bytes
        self._frame = bytearray(end - begin)
        part = data[begin:end]
        self._frame[: len(part)] = part
        self.room = memoryview(self._frame)[len(part) :]

    def _finish(self) -> Received:
        frame, self._frame, self.room = self._frame, bytearray(), memoryview(b"")
        held_bytes, self.held_bytes = self.held_bytes, 0
        if self._mask:
            return Received(MaskedMessage(frame, self._mask), b"", held_bytes)
        return Received(None, bytes(frame), held_bytes)
