"""The truth that policies are judged against: what a frame takes on the device and by way of the edge."""

from math import inf
from typing import NamedTuple

from ..profile import Profile, Rung
from .trace import Trace

_TIMEOUT_S = 60.0
"""An exchange that has brought nothing after a minute is broken off, as HTTP clients commonly do."""


class Exchange(NamedTuple):
    """A message sent to the edge and answered, in seconds of virtual time."""

    start_s: float
    uploaded_s: float
    answered_s: float
    """Infinite when nothing comes back in time."""

    @property
    def response_s(self) -> float:
        """From its start to its answer, or to its being broken off."""
        return min(self.answered_s - self.start_s, _TIMEOUT_S)


class Outcome(NamedTuple):
    """What answering a frame in one way comes to."""

    rung: Rung | None
    """How it is sent; None for an answer of the device."""
    response_s: float
    accuracy: float
    joules: float
    price: float


class World:
    """A device with a profile on a link that follows a trace.

    Args:
        trace: the network.
        profile: the device, the edge and the frames.
        contended: transfers wait for those begun before them, as on the one uplink that there really is; otherwise
            each has the link to itself.
    """

    def __init__(self, trace: Trace, profile: Profile, *, contended: bool = False) -> None:
        self.trace = trace
        self.profile = profile
        self._contended = contended
        self._link_free_s = -inf

    def frame(self, start_s: float, rung: Rung) -> Exchange:
        """What sending a frame at `start_s` would come to: encoding, upload, round trip, the server's time."""
        return self._exchange(start_s, start_s + rung.encode_ms / 1000, rung.bytes, rung.edge_ms)

    def locally(self, waiting_s: float = 0.0) -> Outcome:
        """What an answer of the device comes to, when it is busy for so long before."""
        profile = self.profile
        joules = profile.power.local_j(profile.local_ms)
        return Outcome(None, waiting_s + profile.local_ms / 1000, profile.local_accuracy, joules, 0.0)

    def remotely(self, start_s: float, rung: Rung) -> Outcome:
        """What an answer of the edge to a frame sent at `start_s` comes to."""
        exchange = self.frame(start_s, rung)
        upload_s = min(exchange.uploaded_s - start_s, _TIMEOUT_S) - rung.encode_ms / 1000
        joules = self.profile.power.remote_j(
            encode_ms=rung.encode_ms,
            upload_ms=upload_s * 1000,
            total_ms=exchange.response_s * 1000,
            size_bytes=rung.bytes,
        )
        price = self.profile.price.of(server_ms=rung.edge_ms, size_bytes=rung.bytes)
        return Outcome(rung, exchange.response_s, rung.accuracy, joules, price)

    def probe(self, start_s: float, size_bytes: int) -> Exchange:
        """What sending a probe would come to."""
        return self._exchange(start_s, start_s, size_bytes, 0.0)

    def occupy(self, exchange: Exchange) -> Exchange:
        """Take the exchange as really sent: on a contended link, others wait until its upload is done."""
        if self._contended:
            self._link_free_s = max(self._link_free_s, min(exchange.uploaded_s, exchange.start_s + _TIMEOUT_S))
        return exchange

    def _exchange(self, start_s: float, send_s: float, size_bytes: int, server_ms: float) -> Exchange:
        uploaded_s = self.trace.upload_end_s(max(send_s, self._link_free_s), size_bytes)
        rtt_ms = self.trace.rtt_ms(send_s)
        answered_s = uploaded_s + ((self.profile.rtt_ms if rtt_ms is None else rtt_ms) + server_ms) / 1000
        return Exchange(start_s, uploaded_s, answered_s if answered_s - start_s <= _TIMEOUT_S else inf)
