"""How much a video may send: our own estimate, from when its frames are answered. Pure: times are given.

A frame's time on the network is a floor (the round trip, and its own upload) and what it waited for in queues. A queue
says that more was sent than the link carries, and the pace of the answers meanwhile what it does carry; no queue says
that there may be room for more. It is the principle of delay-based congestion control (Google's, described in
draft-ietf-rmcat-gcc, and LEDBAT, RFC 6817), on what an offloading device measures anyway. aiortc's own estimate (REMB)
is made by the receiver from packet arrivals, and follows a link that changes by tens of seconds.
"""

from collections import deque

_START_BPS = 1_500_000.0
_LEAST_BPS = 100_000.0
_MOST_BPS = 8_000_000.0
_FLOOR_WINDOW_S = 10.0  # a route that became longer is known for what it is after that
_QUEUE_MS = 60.0  # beyond what jitter is in mobile networks; a queue of a few frames
_NO_QUEUE_MS = 25.0
_DRAIN_MS = 1000.0  # a queue is to be gone after this long, for which less is sent than the link carries...
_DRAIN_MOST, _DRAIN_LEAST = 0.4, 0.85  # ...by so much
_PACE_ANSWERS = 6
_INCREASE_PER_S = 1.25
_LOSS = 0.6
_RATE_WINDOW_S = 1.0
_USED = 0.7  # only one who uses its share can tell whether there is more


class BitrateController:
    """Follows one link.

    Attributes:
        target_bps: bits per second that may be sent now.
    """

    def __init__(self) -> None:
        self.target_bps = _START_BPS
        self._floor: deque[tuple[float, float]] = deque()
        """Times and network times, rising: the first is the least of the window."""
        self._delivered: deque[tuple[float, int]] = deque()
        self._changed_at = 0.0

    def answered(self, size_bytes: int, network_ms: float, now: float) -> None:
        """A frame was answered.

        Args:
            size_bytes: the frame's.
            network_ms: what the exchange took, less encoding and the server's own time.
            now: seconds, by any clock that never goes back.
        """
        self._delivered.append((now, size_bytes))
        while self._delivered[0][0] < now - _RATE_WINDOW_S and len(self._delivered) > _PACE_ANSWERS:
            self._delivered.popleft()
        queue_ms = network_ms - self._floor_ms(network_ms, now)
        if queue_ms > _QUEUE_MS:
            share = min(max(1 - queue_ms / _DRAIN_MS, _DRAIN_MOST), _DRAIN_LEAST)
            self._set(min(self.target_bps, share * self._pace_bps), now)
        elif queue_ms < _NO_QUEUE_MS and self._used_bps(now) > _USED * self.target_bps:
            self._set(self.target_bps * _INCREASE_PER_S ** min(now - self._changed_at, 1.0), now)

    def late(self, now: float) -> None:
        """A frame was not answered in time, or lost."""
        if now - self._changed_at > _RATE_WINDOW_S / 2:
            self._set(self.target_bps * _LOSS, now)

    @property
    def _pace_bps(self) -> float:
        """What the last answers say that the link carries, while there is a queue before it."""
        recent = list(self._delivered)[-_PACE_ANSWERS:]
        span_s = recent[-1][0] - recent[0][0]
        return sum(size for _, size in recent[1:]) * 8 / span_s if span_s > 0 else self.target_bps

    def _used_bps(self, now: float) -> float:
        return sum(size for at, size in self._delivered if at >= now - _RATE_WINDOW_S) * 8 / _RATE_WINDOW_S

    def _floor_ms(self, network_ms: float, now: float) -> float:
        while self._floor and self._floor[-1][1] >= network_ms:
            self._floor.pop()
        self._floor.append((now, network_ms))
        while self._floor[0][0] < now - _FLOOR_WINDOW_S:
            self._floor.popleft()
        return self._floor[0][1]

    def _set(self, bps: float, now: float) -> None:
        self.target_bps = min(max(bps, _LEAST_BPS), _MOST_BPS)
        self._changed_at = now
