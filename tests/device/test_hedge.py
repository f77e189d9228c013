"""When the device begins on a frame that was sent away."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from astraea.device.decision import hedge as hedging
from astraea.device.decision.estimates import Estimate
from astraea.device.decision.hedge import hedge

DURATIONS_MS = st.floats(1, 10_000)


@given(DURATIONS_MS, st.floats(0, 10), st.just(0) | DURATIONS_MS, DURATIONS_MS)
def test_no_other_wait_costs_less(ms: float, relative_spread: float, late_ms: float, local_ms: float) -> None:
    remote = Estimate(ms, relative_spread * ms)
    times_ms = hedging._times_ms(remote, late_ms)
    sums_ms = list(accumulate(times_ms, initial=0.0))
    waits_ms = [0.0, *(time_ms for time_ms in times_ms if time_ms > ms + hedging._HICCUP_MS)]
    least_ms = min(hedging._cost_ms(times_ms, sums_ms, wait_ms, local_ms) for wait_ms in waits_ms)
    assert hedge(remote, late_ms, local_ms).cost_ms <= least_ms * (1 + 1e-9)
