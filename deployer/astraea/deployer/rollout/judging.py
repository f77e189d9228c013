"""Whether a new revision does worse than the stable one. Pure: it sees what was measured, and nothing else."""

import math
from collections.abc import Mapping
from typing import NamedTuple

MIN_REQUESTS = 20
"""With fewer on either side nothing can be said of the answers."""
MAX_SLOWDOWN = 1.5
"""Of the 95th percentile, over the stable one's; histogram buckets are coarse, so less can't be told from noise."""
_SLOWER_BY_S = 0.005
_WORSE_BY = 0.01
_SURE = 2.33
"""Standard errors: by chance alone one comparison in a hundred exceeds it."""


class Sample(NamedTuple):
    """What a revision's instances answered in a while."""

    requests: int
    errors: int
    """Answers that were the server's fault: status 500 and above."""
    within: Mapping[float, int]
    """Answers that took at most so many seconds, by that bound, as Prometheus counts them."""


def judge(canary: Sample, stable: Sample) -> str | None:
    """Why the new revision should be taken back; None if there is no reason, or too little to see one."""
    if min(canary.requests, stable.requests) < MIN_REQUESTS:
        return None
    return _errors(canary, stable) or _latency(canary, stable)


def _errors(canary: Sample, stable: Sample) -> str | None:
    """A one-sided test of two proportions: https://en.wikipedia.org/wiki/Two-proportion_Z-test."""
    bad, usual = canary.errors / canary.requests, stable.errors / stable.requests
    both = (canary.errors + stable.errors) / (canary.requests + stable.requests)
    deviation = math.sqrt(both * (1 - both) * (1 / canary.requests + 1 / stable.requests))
    if bad - usual > max(_WORSE_BY, _SURE * deviation):
        return f"{bad:.1%} of {canary.requests} requests failed, of the stable revision's {usual:.1%}"
    return None


def _latency(canary: Sample, stable: Sample) -> str | None:
    slow_s, usual_s = quantile_s(canary.within, 0.95), quantile_s(stable.within, 0.95)
    if slow_s is None or usual_s is None or slow_s <= max(MAX_SLOWDOWN * usual_s, usual_s + _SLOWER_BY_S):
        return None
    return f"its 95th percentile is {slow_s * 1e3:.0f} ms, the stable revision's {usual_s * 1e3:.0f} ms"


def quantile_s(within: Mapping[float, int], share: float) -> float | None:
    """The time that this share of answers stayed below, between the bounds of its bucket; None without answers.

    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    bounds = sorted(within)
    total = within[bounds[-1]] if bounds else 0
    if not total:
        return None
    wanted, lower_s, before = share * total, 0.0, 0
    for bound_s in bounds:
        if within[bound_s] >= wanted:
            if math.isinf(bound_s):
                return lower_s
            return lower_s + (bound_s - lower_s) * (wanted - before) / max(within[bound_s] - before, 1)
        lower_s, before = bound_s, within[bound_s]
    return lower_s
