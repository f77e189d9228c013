"""One direction of a link as a queue before a bottleneck and a flight behind it. Pure: time is an argument."""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count
from math import inf
from random import Random

from .conditions import Conditions

_BITS_PER_BYTE = 8


class Pipe:
    """Packets go in at one time and come out at another, or never. Times are in seconds and must not go back.

    Args:
        conditions: what it is like at first.
        random: decides on loss, jitter and reordering.
    """

    def __init__(self, conditions: Conditions, random: Random) -> None:
        self._conditions = conditions
        self._random = random
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._served_bits = 0.0
        """Of the packet at the queue's head."""
        self._served_s = 0.0
        """Until when the bottleneck's work is accounted for."""
        self._flight: list[tuple[float, int, bytes]] = []
        self._order = count()
        self._last_out_s = 0.0

    def change(self, conditions: Conditions, now: float) -> None:
        """Be another one from now on, also for packets that wait; those in flight are past it."""
        self._serve(now)
        self._conditions = conditions
        if not conditions.up:
            self._queue.clear()
            self._queued_bytes = 0
            self._served_bits = 0.0

    def push(self, packet: bytes, now: float) -> None:
        """A packet goes in."""
        self._serve(now)
        full = self._queued_bytes + len(packet) > self._conditions.queue_kb * 1000
        if not self._conditions.up or (full and self._queue):
            return
        self._queue.append(packet)
        self._queued_bytes += len(packet)
        self._serve(now)

    def due(self, now: float) -> Iterator[bytes]:
        """The packets that have come out by now."""
        self._serve(now)
        while self._flight and self._flight[0][0] <= now:
            yield heapq.heappop(self._flight)[2]

    @property
    def next_s(self) -> float:
        """When `due` should be asked next; infinite when nothing will come out."""
        landing_s = self._flight[0][0] if self._flight else inf
        return min(landing_s, self._through_s())

    def _through_s(self) -> float:
        """When the packet at the queue's head is through the bottleneck."""
        if not self._queue or not self._conditions.rate_mbps:
            return inf
        bits_left = len(self._queue[0]) * _BITS_PER_BYTE - self._served_bits
        return self._served_s + bits_left / (self._conditions.rate_mbps * 1e6)

    def _serve(self, now: float) -> None:
        while (through_s := self._through_s()) <= now:
            packet = self._queue.popleft()
            self._queued_bytes -= len(packet)
            self._served_bits, self._served_s = 0.0, through_s
            self._take_off(packet, through_s)
        if self._queue and self._conditions.rate_mbps:
            self._served_bits += self._conditions.rate_mbps * 1e6 * (now - self._served_s)
        self._served_s = now

    def _take_off(self, packet: bytes, now: float) -> None:
        conditions = self._conditions
        if self._happens(conditions.loss_pct):
            return
        if self._happens(conditions.reorder_pct):
            out_s = now
        else:
            jitter_ms = self._random.uniform(-conditions.jitter_ms, conditions.jitter_ms) if conditions.jitter_ms else 0
            out_s = max(now + max(0.0, conditions.delay_ms + jitter_ms) / 1000, self._last_out_s)
            self._last_out_s = out_s
        heapq.heappush(self._flight, (out_s, next(self._order), packet))

    def _happens(self, percent: float) -> bool:
        return percent > 0 and self._random.random() * 100 < percent
