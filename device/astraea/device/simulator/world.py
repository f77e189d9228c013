"""The truth that policies are judged against: what a frame takes on the device and by way of the edge."""

from math import inf
from typing import NamedTuple

from .profile import Profile
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


class World:
    """A device with a profile on a link that follows a trace.

    Args:
        contended: transfers wait for those begun before them, as on the one uplink that there really is; otherwise
            each has the link to itself.
    """

    def __init__(self, trace: Trace, profile: Profile, *, contended: bool = False) -> None:
        self.trace = trace
        self.profile = profile
        self._contended = contended
        self._link_free_s = -inf

    def frame(self, start_s: float) -> Exchange:
        """What sending a frame at `start_s` would come to: encoding, upload, round trip, the server's time."""
        send_s = start_s + self.profile.encode_ms / 1000
        return self._exchange(start_s, send_s, self.profile.frame_bytes, self.profile.edge_ms)

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
