"""What a device knows of the way to one remote target: its bandwidth and its round trip time.

Both come from the same passive samples. Sending `b` bytes and having the answer back takes, the server's own time
left out, `t = rtt + b / bandwidth`. A link fits the two unknowns to its recent samples by least squares of the
*relative* error, older samples counting less. The relative error keeps one stall from being a trend: however late an
answer comes, it is off by less than 100 %. Two samples in a row that disagree the same way are a change, not an
accident: what was known before them is forgotten, except that the round trip time is taken to have stayed.
"""

from dataclasses import dataclass
from math import exp, log, sqrt
from typing import NamedTuple

from .estimates import Estimate

_FORGETTING = 0.85
"""Weight of a sample relative to the next one: about the last seven count."""
_RTT_PRIOR_WEIGHT = 0.004
"""Pull towards the round trip time believed before, against one sample's weight of 1: decides only when all samples
have the same size, which says nothing about how their time divides between the two unknowns."""
_CHANGE_RATIO = 1.15
"""A sample this many times slower or faster than expected is suspect, on a link that has been steady."""
_CHANGE_SIGMAS = 3.0
"""On an unsteady one, it takes this many standard deviations of its noise..."""
_CHANGE_RATIO_MOST = 3.0
"""...but never more than this ratio, so that no noise hides a real change."""
_FIRST_SPREAD = 0.25
"""Relative uncertainty of a link seen once or twice: how consecutive frames on a cellular uplink commonly differ."""
_FIRST_SPREAD_WEIGHT = 0.3
"""Samples that this first guess is worth; a steady link's uncertainty goes to zero."""
_KNOWN_RANGE = 4
"""Up to this many times the largest size seen, an estimate is trusted enough to be surprised."""
_SETTLED_SAMPLES = 3
_LEAST_MS = 0.01
"""Below what a clock and a loopback socket can tell apart."""
_BITS_PER_BYTE = 8


class _Sample(NamedTuple):
    size_bytes: int
    ms: float


@dataclass(slots=True)
class _Fit:
    """Sums of the weighted least squares for `rtt * u + ms_per_byte * v = 1` with `u = 1 / t`, `v = b / t`."""

    uu: float = 0.0
    uv: float = 0.0
    vv: float = 0.0
    u: float = 0.0
    v: float = 0.0

    def add(self, sample: _Sample) -> None:
        u, v = 1 / sample.ms, sample.size_bytes / sample.ms
        self.uu = _FORGETTING * self.uu + u * u
        self.uv = _FORGETTING * self.uv + u * v
        self.vv = _FORGETTING * self.vv + v * v
        self.u = _FORGETTING * self.u + u
        self.v = _FORGETTING * self.v + v

    def solve(self, rtt_prior_ms: float) -> tuple[float, float]:
        """The best (rtt_ms, ms_per_byte), neither of them negative."""
        pull = _RTT_PRIOR_WEIGHT / rtt_prior_ms**2
        uu, u = self.uu + pull, self.u + pull * rtt_prior_ms
        determinant = uu * self.vv - self.uv**2
        if determinant > 1e-12 * uu * self.vv:
            rtt = (u * self.vv - self.v * self.uv) / determinant
            per_byte = (uu * self.v - self.uv * u) / determinant
            if rtt >= 0 and per_byte >= 0:
                return rtt, per_byte
            if rtt < 0:
                return 0.0, self.v / self.vv
        return u / uu, 0.0


@dataclass(slots=True)
class _Noise:
    """A running mean square of log(actual / expected)."""

    total: float = _FIRST_SPREAD_WEIGHT * _FIRST_SPREAD**2
    weight: float = _FIRST_SPREAD_WEIGHT

    def add(self, surprise: float) -> None:
        self.total = _FORGETTING * self.total + surprise**2
        self.weight = _FORGETTING * self.weight + 1

    @property
    def sigma(self) -> float:
        return sqrt(self.total / self.weight)


class Link:
    """The estimate for one target. It reads no clock and opens no socket.

    Attributes:
        samples: how many it has learnt from since the link last changed.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._fit = _Fit()
        self._rtt_ms = 0.0
        self._ms_per_byte = 0.0
        self._rtt_prior_ms: float | None = None
        self._noise = _Noise()
        self._largest_bytes = 0
        self._suspect: _Sample | None = None

    @property
    def rtt_ms(self) -> float:
        """Round trip time of a message of no size."""
        return self._rtt_ms

    @property
    def uplink_mbps(self) -> float:
        """Bandwidth towards the target in 10^6 bit/s; infinite while no sample was slowed by its size."""
        return _BITS_PER_BYTE / (1000 * self._ms_per_byte) if self._ms_per_byte > 0 else float("inf")

    @property
    def settled(self) -> bool:
        """Whether the last samples agree with one another; another one soon would teach little."""
        return self.samples >= _SETTLED_SAMPLES and self._suspect is None

    def expect(self, size_bytes: int) -> Estimate:
        """How long sending `size_bytes` and having a short answer takes, the server's own time left out."""
        ms = max(_LEAST_MS, self._rtt_ms + self._ms_per_byte * size_bytes)
        return Estimate(ms, ms * self._noise.sigma)

    def observe(self, size_bytes: int, ms: float) -> None:
        """Learn from an exchange that took `ms` for `size_bytes` sent, the server's own time taken off."""
        sample = _Sample(size_bytes, max(_LEAST_MS, ms))
        if size_bytes > _KNOWN_RANGE * self._largest_bytes:
            self._learn(sample)  # beyond what is known: nothing to be surprised about
            return
        surprise = log(sample.ms / self.expect(size_bytes).ms)
        limit = min(max(log(_CHANGE_RATIO), _CHANGE_SIGMAS * self._noise.sigma), log(_CHANGE_RATIO_MOST))
        if abs(surprise) <= limit:
            self._suspect = None
            self._noise.add(surprise)
            self._learn(sample)
        elif self._suspect is not None and (surprise > 0) == (
            self._suspect.ms > self.expect(self._suspect.size_bytes).ms
        ):
            self._restart(self._suspect, sample)
        else:
            # An accident so far: it counts as no more surprising than the limit.
            self._suspect = sample
            bounded = self.expect(size_bytes).ms * exp(limit if surprise > 0 else -limit)
            self._learn(_Sample(size_bytes, bounded))

    def forget(self) -> None:
        """The link was away: what was known of its bandwidth no longer holds."""
        self._rtt_prior_ms = self._rtt_ms or self._rtt_prior_ms
        self._fit = _Fit()
        self._noise = _Noise()
        self._largest_bytes = 0
        self._suspect = None
        self.samples = 0

    def _restart(self, *samples: _Sample) -> None:
        """Two samples agree that the link is another one: start again from them."""
        self.forget()
        for sample in samples:
            self._learn(sample)

    def _learn(self, sample: _Sample) -> None:
        self._rtt_prior_ms = min(self._rtt_prior_ms or sample.ms, sample.ms)
        self._largest_bytes = max(self._largest_bytes, sample.size_bytes)
        self.samples += 1
        self._fit.add(sample)
        self._rtt_ms, self._ms_per_byte = self._fit.solve(self._rtt_prior_ms)
