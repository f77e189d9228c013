"""What a remote answer is worth waiting for, where the device can begin on the frame as well at any time.

The first answer counts. So a remote target costs a frame not its whole time, which a stall can make very long, but at
most the wait until the device begins, and the device's own time. Beginning has its price too: an inference that may
turn out not to have been needed.
"""

from bisect import bisect_right
from itertools import accumulate
from math import exp, inf
from statistics import NormalDist
from typing import NamedTuple

from .estimates import Estimate

_QUANTILES = 16
_SHARES = [(index + 0.5) / _QUANTILES for index in range(_QUANTILES)]
_NORMAL = [NormalDist().inv_cdf(share) for share in _SHARES]
_PARETO = [share / (1 - share) for share in _SHARES]
PRICE = 0.05
"""An inference is begun where it saves a twentieth of its own time. A request repeated when 95 % of its kind have been
answered adds as little load (Dean and Barroso, "The Tail at Scale", 2013)."""
_SPREAD_MOST = 100.0
"""Relative to an answer's time: who knows less than this knows nothing, and larger ones overflow."""
_HICCUP_MS = 20.0
"""An answer is not late before this: a scheduler's hiccup, a retransmission on a good link."""


class Hedge(NamedTuple):
    """How best to ask a remote target for a frame."""

    cost_ms: float
    """The time to the first answer that this comes to on average, the price of inferences included."""
    patience_ms: float
    """When the device begins too: 0 at once, infinite where it can't."""


def hedge(remote: Estimate, late_ms: float, local_ms: float | None) -> Hedge:
    """When the device should begin on a frame that is sent away.

    Args:
        remote: what the remote target is believed to take, were nothing overdue.
        late_ms: how much what was sent to it before is overdue.
        local_ms: the device's time for the frame; None when it can't or may not begin on it.
    """
    times_ms = _times_ms(remote, late_ms)
    if local_ms is None:
        return Hedge(sum(times_ms) / _QUANTILES, inf)
    sums_ms = list(accumulate(times_ms, initial=0.0))
    soonest_ms = remote.ms + _HICCUP_MS
    latest_ms = times_ms[-1]
    # A device that begins less than its own time before the latest answer is never sooner: it need not begin at all.
    between_ms = times_ms[bisect_right(times_ms, soonest_ms) : bisect_right(times_ms, latest_ms - local_ms)]
    waits_ms = [0.0, soonest_ms, *between_ms, max(soonest_ms, latest_ms)]
    return Hedge(*min((_cost_ms(times_ms, sums_ms, wait_ms, local_ms), wait_ms) for wait_ms in waits_ms))


def _times_ms(remote: Estimate, late_ms: float) -> list[float]:
    """Equally likely times of a remote answer, in ascending order.

    A target that answers in time has times spread as a log-normal distribution. Where something is overdue, nobody
    knows for how long; a stall lasts about as long again as it has lasted, whatever its scale (a Pareto distribution
    with exponent 1, the least that one can assume of a duration: J. R. Gott, Nature 363, 1993).
    """
    if late_ms > 0:
        return [remote.ms + (late_ms + _HICCUP_MS) * ratio for ratio in _PARETO]
    spread = min(remote.spread_ms / remote.ms, _SPREAD_MOST)
    return [remote.ms * exp(spread * deviation) for deviation in _NORMAL]


def _cost_ms(times_ms: list[float], sums_ms: list[float], wait_ms: float, local_ms: float) -> float:
    """The mean of min(time, wait + local), and the price of the share of inferences that are begun."""
    sooner = bisect_right(times_ms, wait_ms + local_ms)
    begun = _QUANTILES - bisect_right(times_ms, wait_ms)
    answered_ms = sums_ms[sooner] + (_QUANTILES - sooner) * (wait_ms + local_ms)
    return (answered_ms + begun * PRICE * local_ms) / _QUANTILES
