"""What a device knows of the way to one remote target: its bandwidth and its round trip time.

Both come from the same passive samples. Sending `b` bytes and having the answer back takes, the server's own time
left out, `t = rtt + b * ms_per_byte`. A link follows the two unknowns with a Kalman filter (R. E. Kalman, "A New
Approach to Linear Filtering and Prediction Problems", 1960): the round trip time hardly drifts, the bandwidth moves as
much from sample to sample as it has been seen to, and what is uncertain grows with the time since the last sample.

One stall is not a trend: an answer that is far later than expected counts for nothing until a second one is late too;
then the bandwidth has changed and is learnt anew, while the round trip time is taken to have stayed. Exchanges that
overlapped may have met the same stall, so they don't confirm each other; nor does one clear another of suspicion that
is too small to have felt what that one felt. When a small message and a large one are late by about as much, it is the
round trip that has changed as well. An answer that is far earlier than expected is believed at once: it may be late by
accident, but not early. And none tells of more bandwidth than it needs to be carried in the time that is lost in noise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import NamedTuple

from .estimates import Estimate

_FORGETTING = 0.85
"""Weight of a surprise relative to the next one: about the last seven count."""
_CHANGE_RATIO = 1.15
"""A sample this many times slower or faster than expected is suspect, on a link that has been steady."""
_CHANGE_SIGMAS = 3.0
"""On an unsteady one, it takes this many standard deviations of its surprises..."""
_CHANGE_RATIO_MOST = 3.0
"""...but never more than this ratio, so that no unsteadiness hides a real change."""
_FIRST_SPREAD = 0.25
"""Relative uncertainty of a link seen once or twice: how consecutive frames on a cellular uplink commonly differ."""
_LEAST_SHARE = 0.5
"""What varies is sending; but where that is a small part of the time, the round trip is taken to vary like so much."""
_FIRST_SPREAD_WEIGHT = 0.3
"""Samples that this first guess is worth; a steady link's uncertainty goes to zero."""
_KNOWN_RANGE = 4
"""Up to this many times the largest size seen, an estimate is trusted enough to be surprised."""
_SAME_LATENESS = 0.7
"""Two late samples of very different sizes are late by as much when the smaller one is by so much of the larger one's.
If it were bandwidth, it would be by a quarter at most."""
_SETTLED_SAMPLES = 3
_LEAST_MS = 0.01
"""Below what a clock and a loopback socket can tell apart."""
_NOISE_MS = 0.5
"""Error of a sample of any size: what schedulers, timers and a radio's turns add to it."""
_TELLING_MS = _NOISE_MS / 2
"""No message tells of a bandwidth that would carry it in less: a small one tells little, however soon its answer is. A
frame of a video must tell that a link has become wide enough for pictures."""
_BITS_PER_BYTE = 8

_FIRST_RTT_MS, _FIRST_RTT_SPREAD_MS = 50.0, 1000.0
_FIRST_MS_PER_BYTE, _FIRST_MS_PER_BYTE_SPREAD = 0.001, 0.1
"""8 Mbit/s, but who knows: the spread is 80 kbit/s, about the least that is of use for pictures."""
_LEAST_MS_PER_BYTE = 8e-7
"""10 Gbit/s: no uplink of a device is faster."""
_RTT_DRIFT = 0.005
"""Relative drift of the round trip time in a second: it belongs to the route, which seldom changes."""
_JITTER = 0.03
"""Relative error of a sample that says nothing about the link: schedulers, retransmissions, other traffic."""
_VOLATILE_S = 0.1
"""Surprises are those between frames of a camera, so this far apart..."""
_VOLATILE_MOST_S = 3.0
"""...and what a link does in many times that is no wilder than what it does in this: bandwidth has its bounds."""


class _Sample(NamedTuple):
    size_bytes: int
    ms: float
    ended_s: float

    @property
    def began_s(self) -> float:
        return self.ended_s - self.ms / 1000


@dataclass(slots=True)
class _Belief:
    """The filter's state: the two unknowns, their variances, and how their errors go together."""

    rtt_ms: float = _FIRST_RTT_MS
    ms_per_byte: float = _FIRST_MS_PER_BYTE
    rtt_variance: float = _FIRST_RTT_SPREAD_MS**2
    covariance: float = 0.0
    per_byte_variance: float = _FIRST_MS_PER_BYTE_SPREAD**2

    def expected_ms(self, size_bytes: int) -> float:
        return max(_LEAST_MS, self.rtt_ms + size_bytes * self.ms_per_byte)

    def sending_share(self, size_bytes: int) -> float:
        """How much of the expected time varies as sending does, 0 to 1."""
        return max(_LEAST_SHARE, size_bytes * self.ms_per_byte / self.expected_ms(size_bytes))

    def age(self, seconds: float, volatility: float) -> None:
        self.rtt_variance += (_RTT_DRIFT * self.rtt_ms) ** 2 * seconds
        self.per_byte_variance += _wander(self.ms_per_byte, seconds, volatility)

    def learn(self, size_bytes: int, ms: float) -> None:
        rtt_share = self.rtt_variance + size_bytes * self.covariance
        per_byte_share = self.covariance + size_bytes * self.per_byte_variance
        total = rtt_share + size_bytes * per_byte_share + (_JITTER * ms) ** 2 + _NOISE_MS**2
        error = ms - self.rtt_ms - size_bytes * self.ms_per_byte
        rtt_ms = max(0.0, self.rtt_ms + rtt_share / total * error)
        least = max(_LEAST_MS_PER_BYTE, min(self.ms_per_byte, _TELLING_MS / max(1, size_bytes)))
        self.rtt_ms = min(rtt_ms, ms)
        self.ms_per_byte = max(least, self.ms_per_byte + per_byte_share / total * error)
        # A round trip that has just moved by so much may move back.
        self.rtt_variance += (rtt_ms - self.rtt_ms) ** 2 - rtt_share**2 / total
        self.covariance -= rtt_share * per_byte_share / total
        self.per_byte_variance -= per_byte_share**2 / total

    def doubt_rtt(self, ms: float) -> None:
        """It may have become as long as the exchange."""
        self.rtt_variance = max(self.rtt_variance, (ms - self.rtt_ms) ** 2)

    def doubt_bandwidth(self) -> None:
        self.covariance = 0.0
        self.per_byte_variance = _FIRST_MS_PER_BYTE_SPREAD**2


@dataclass(slots=True)
class _Volatility:
    """How much the time of sending varies from sample to sample: the spread of its logarithm.

    A sample tells log(actual / expected) of its whole time, of which sending is a share: a least squares fit of the one
    to the other.
    """

    sigma: float = _FIRST_SPREAD
    total: float = _FIRST_SPREAD_WEIGHT * _FIRST_SPREAD**2
    weight: float = _FIRST_SPREAD_WEIGHT

    def add(self, surprise: float, share: float) -> None:
        self.total = _FORGETTING * self.total + surprise**2
        self.weight = _FORGETTING * self.weight + share**2
        self.sigma = sqrt(self.total / self.weight)


class Link:
    """The estimate for one target. It reads no clock and opens no socket; `now` is seconds on any monotonic clock.

    Attributes:
        samples: how many it has learnt from since the link last changed.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._belief = _Belief()
        self._volatility = _Volatility()
        self._largest_bytes = 0
        self._suspect: _Sample | None = None
        self._heard_s: float | None = None

    @property
    def rtt_ms(self) -> float:
        """Round trip time of a message of no size."""
        return self._belief.rtt_ms

    @property
    def uplink_mbps(self) -> float:
        """Bandwidth towards the target in 10^6 bit/s."""
        return _BITS_PER_BYTE / (1000 * self._belief.ms_per_byte)

    @property
    def settled(self) -> bool:
        """Whether the last samples agree with one another; another one soon would teach little."""
        return self.samples >= _SETTLED_SAMPLES and self._suspect is None

    def expect(self, size_bytes: int, now: float) -> Estimate:
        """How long sending `size_bytes` and having a short answer takes, the server's own time left out."""
        return Estimate(*next(self.expect_each([size_bytes], now)))

    def expect_each(self, sizes_bytes: Sequence[int], now: float) -> Iterator[tuple[float, float]]:
        """The same for several sizes: what to expect, and one standard deviation, both in ms."""
        belief, sigma = self._belief, self._volatility.sigma
        rtt_ms, ms_per_byte = belief.rtt_ms, belief.ms_per_byte
        rtt_variance, twice_covariance = belief.rtt_variance, 2 * belief.covariance
        per_byte_variance = belief.per_byte_variance + _wander(ms_per_byte, self._silent_s(now), sigma)
        for size_bytes in sizes_bytes:  # a decision spends much of its time here: no calls of max()
            sending_ms = size_bytes * ms_per_byte
            ms = rtt_ms + sending_ms
            ms = ms if ms > _LEAST_MS else _LEAST_MS  # noqa: FURB136
            known = rtt_variance + size_bytes * (twice_covariance + size_bytes * per_byte_variance)
            least_ms = _LEAST_SHARE * ms
            varying_ms = sigma * (sending_ms if sending_ms > least_ms else least_ms)  # noqa: FURB136
            yield ms, sqrt((known if known > 0 else 0.0) + varying_ms * varying_ms)

    def upload_ms(self, size_bytes: int) -> float:
        """How much of that is sending."""
        return size_bytes * self._belief.ms_per_byte

    def observe(self, size_bytes: int, ms: float, now: float) -> None:
        """Learn at `now` from an exchange that took `ms` for `size_bytes` sent, the server's own time taken off."""
        self._belief.age(self._silent_s(now), self._volatility.sigma)
        self._heard_s = now
        sample = _Sample(size_bytes, max(_LEAST_MS, ms), now)
        if size_bytes > _KNOWN_RANGE * self._largest_bytes:
            self._learn(size_bytes, sample.ms)  # beyond what is known: nothing to be surprised about
            return
        surprise = self._surprise(sample)
        usual = _CHANGE_SIGMAS * self._volatility.sigma * self._belief.sending_share(size_bytes)
        limit = min(max(log(_CHANGE_RATIO), usual), log(_CHANGE_RATIO_MOST))
        if surprise > limit:
            self._slow_down(sample, surprise)
        elif surprise < -limit:
            self._speed_up(sample, surprise)
        else:
            self._agree(sample, surprise)

    def forget(self) -> None:
        """The link was away: what was known of its bandwidth no longer holds."""
        self._volatility = _Volatility()
        self._relearn()

    def _agree(self, sample: _Sample, surprise: float) -> None:
        suspect = self._suspect
        if suspect and sample.began_s >= suspect.ended_s and sample.size_bytes >= suspect.size_bytes:
            self._suspect = None
        self._vary(sample, surprise)
        self._learn(sample.size_bytes, sample.ms)

    def _speed_up(self, sample: _Sample, surprise: float) -> None:
        """An answer may be late by accident, but not early: the link is faster than believed."""
        self._vary(sample, max(surprise, -log(_CHANGE_RATIO_MOST)))
        self._belief.age(_VOLATILE_S, self._volatility.sigma)
        self._suspect = None
        self._learn(sample.size_bytes, sample.ms)

    def _slow_down(self, sample: _Sample, surprise: float) -> None:
        if self._suspect is None:
            self._suspect = sample  # an accident so far: nothing is learnt from it
        elif sample.began_s >= self._suspect.ended_s:
            if self._whatever_size(self._suspect, sample):
                self._belief.doubt_rtt(sample.ms)
            # Two agree that the link is another one. Having changed, it may well change again.
            self._vary(sample, min(surprise, log(_CHANGE_RATIO_MOST)))
            self._relearn(self._suspect, sample)

    def _whatever_size(self, one: _Sample, other: _Sample) -> bool:
        """Whether two that are late are so by about as much, though one is many times as large."""
        small, large = sorted((one, other))
        late_ms = [sample.ms - self._belief.expected_ms(sample.size_bytes) for sample in (small, large)]
        return large.size_bytes >= _KNOWN_RANGE * small.size_bytes and late_ms[0] >= _SAME_LATENESS * late_ms[1]

    def _surprise(self, sample: _Sample) -> float:
        return log(sample.ms / self._belief.expected_ms(sample.size_bytes))

    def _vary(self, sample: _Sample, surprise: float) -> None:
        self._volatility.add(surprise, self._belief.sending_share(sample.size_bytes))

    def _relearn(self, *samples: _Sample) -> None:
        """Start again from these samples, but for the round trip time."""
        self._belief.doubt_bandwidth()
        self._suspect = None
        self._largest_bytes = self.samples = 0
        for sample in samples:
            self._learn(sample.size_bytes, sample.ms)

    def _learn(self, size_bytes: int, ms: float) -> None:
        self._largest_bytes = max(self._largest_bytes, size_bytes)
        self.samples += 1
        self._belief.learn(size_bytes, ms)

    def _silent_s(self, now: float) -> float:
        return 0.0 if self._heard_s is None else max(0.0, now - self._heard_s)


def _wander(quantity: float, seconds: float, volatility: float) -> float:
    """The variance that a quantity has come to have in some time."""
    return (volatility * quantity) ** 2 * min(seconds, _VOLATILE_MOST_S) / _VOLATILE_S
