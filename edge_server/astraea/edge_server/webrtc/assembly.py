"""From RTP packets to encoded frames, as soon as a frame is complete. Pure: packets and times come in, frames go out.

A frame is complete with the packet that has the marker bit (RFC 3550, 5.1), so it isn't held back until the next one
begins, as a jitter buffer for playing video does: at 15 frames/s that alone would be 67 ms. A gap is waited for while
it may still be filled by a retransmission; then everything up to the next keyframe is passed over, as it would be
decoded into a picture that nobody has filmed.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

_SEQUENCE = 1 << 16
_TIMESTAMP = 1 << 32
_MOST_PACKETS = 1024  # in wait: at 1200 bytes a keyframe of over 1 MB
_ASK_AGAIN_S = 0.5  # a request for a keyframe may be lost, too
_PATIENCE_S = 0.4  # two round trips of a slow mobile network: the request for a packet, and the packet
_H264_KEY_TYPES = frozenset({5, 7})  # a slice of an IDR picture, a sequence parameter set


class Packet(Protocol):
    """What is used of an `aiortc.rtp.RtpPacket`."""

    sequence_number: int
    timestamp: int
    marker: int
    payload: bytes


class EncodedFrame(NamedTuple):
    """One frame, not decoded yet."""

    data: bytes
    rtp_timestamp: int
    """In 90 kHz, from an origin of the sender's choice, modulo 2**32."""
    keyframe: bool
    first_at_s: float
    """When its first packet came."""
    complete_at_s: float
    """When nothing was missing any more."""


class _Part(NamedTuple):
    packet: Packet
    data: bytes
    codec: str
    at_s: float


class Assembler:
    """Puts the packets of one stream in order, and together."""

    def __init__(self) -> None:
        self.keyframe_wanted = False
        """Whether the sender should be asked for a keyframe; cleared by who asks."""
        self._parts: dict[int, _Part] = {}
        self._next: int | None = None
        """The sequence number that the next frame begins with; None while a keyframe is awaited."""
        self._stuck_since_s: float | None = None
        self._asked_at_s = -math.inf

    def add(self, packet: Packet, data: bytes, codec: str, now_s: float) -> list[EncodedFrame]:
        """Take a packet; the frames that are complete with it, in order.

        Args:
            packet: As it came, in whatever order.
            data: Its payload, made ready for a decoder.
            codec: `H264` or `VP8`.
            now_s: By a clock that never goes back.
        """
        number = packet.sequence_number
        if self._next is None:
            if not begins_keyframe(packet, data, codec):
                self._ask(now_s)
                return []
            self._next = number
        ahead = (number - self._next) % _SEQUENCE
        if ahead >= _SEQUENCE // 2:  # of a frame that was handed on or given up
            return []
        if ahead >= _MOST_PACKETS:
            self.resynchronize(now_s)
            return self.add(packet, data, codec, now_s)
        self._parts[number] = _Part(packet, data, codec, now_s)
        frames = list(self._complete(now_s))
        if frames or not self._parts:
            self._stuck_since_s = None
        return frames + self._overdue(now_s)

    def resynchronize(self, now_s: float) -> None:
        """Pass over everything up to the next keyframe, and want one."""
        self._parts.clear()
        self._next = None
        self._stuck_since_s = None
        self._ask(now_s)

    def _overdue(self, now_s: float) -> list[EncodedFrame]:
        """Look after a gap: it is waited for, or passed over."""
        if not self._gap():
            self._stuck_since_s = None
            return []
        if self._stuck_since_s is None:
            self._stuck_since_s = now_s
        if now_s - self._stuck_since_s <= _PATIENCE_S:
            return []
        begin = self._next or 0
        waiting = [
            self._parts[number] for number in sorted(self._parts, key=lambda number: (number - begin) % _SEQUENCE)
        ]
        self.resynchronize(now_s)
        found: list[EncodedFrame] = []
        for part in waiting:  # a keyframe among them goes on from there
            found += self.add(part.packet, part.data, part.codec, now_s)
        return found

    def _gap(self) -> bool:
        """Whether a packet has come after one that hasn't."""
        number = self._next
        assert number is not None  # noqa: S101 - asked with packets in wait only
        seen = 0
        while number in self._parts:
            number, seen = (number + 1) % _SEQUENCE, seen + 1
        return seen < len(self._parts)

    def _ask(self, now_s: float) -> None:
        if now_s - self._asked_at_s >= _ASK_AGAIN_S:
            self.keyframe_wanted = True
            self._asked_at_s = now_s

    def _complete(self, now_s: float) -> Iterator[EncodedFrame]:
        while (parts := self._first_frame()) is not None:
            for part in parts:
                del self._parts[part.packet.sequence_number]
            last = parts[-1].packet.sequence_number
            self._next = (last + 1) % _SEQUENCE
            first = parts[0]
            yield EncodedFrame(
                b"".join(part.data for part in parts),
                first.packet.timestamp % _TIMESTAMP,
                begins_keyframe(first.packet, first.data, first.codec),
                min(part.at_s for part in parts),
                now_s,
            )

    def _first_frame(self) -> list[_Part] | None:
        """The packets of the frame that is next, if all of them are there."""
        parts: list[_Part] = []
        number = self._next or 0
        while (part := self._parts.get(number)) is not None:
            if parts and part.packet.timestamp != parts[0].packet.timestamp:  # a sender that sets no marker
                return parts
            parts.append(part)
            if part.packet.marker:
                return parts
            number = (number + 1) % _SEQUENCE
        return None


def begins_keyframe(packet: Packet, data: bytes, codec: str) -> bool:
    """Whether a packet is the first of a frame that needs no other to be decoded.

    For H.264, a NAL unit of a type that only keyframes have begins in it (RFC 6184); for VP8, it is the start of the
    first partition of a frame whose inverse key flag is 0 (RFC 7741).
    """
    if codec == "VP8":
        starts = bool(packet.payload) and packet.payload[0] & 0x1F == 0x10
        return starts and bool(data) and not data[0] & 1
    at = data.find(b"\x00\x00\x01")
    while 0 <= at < len(data) - 3:
        if data[at + 3] & 0x1F in _H264_KEY_TYPES:
            return True
        at = data.find(b"\x00\x00\x01", at + 3)
    return False
