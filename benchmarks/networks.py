"""Networks that were measured, as links between two hosts can follow them."""

from collections.abc import Iterator
from typing import NamedTuple

from astraea.device.simulator import Trace
from netlab import Change, Conditions


class Network(NamedTuple):
    """A part of a trace, and what the trace doesn't say."""

    trace: str
    begin_s: float
    rtt_ms: float
    """As the same source measured it, in the median; for WiFi, what is common."""
    mbps: float
    """The uplink's mean over the trace, for where that is not at hand."""
    loss_pct: float = 0.0
    """Of packets, after the radio's own repetitions."""


MEASURED = {
    "5G": Network("5g-mmwave-walking-toward-run1", 5, 14.4, 130.9),
    "4G": Network("lte-walking-toward-run1", 5, 34.7, 43.1),
    "WiFi": Network("wifi5-campus-1", 25, 10.0, 49.7),
    "weak WiFi": Network("wifi4-cafe-1", 20, 10.0, 7.9, 0.5),
}


def changes(trace: Trace, network: Network, start_s: float) -> Iterator[Change]:
    """The link over time as the trace has it, from the part's beginning on."""
    away = Conditions(delay_ms=network.rtt_ms / 2, loss_pct=network.loss_pct)
    for at_s, mbps in trace.rates():
        uplink = Conditions(rate_mbps=mbps, delay_ms=network.rtt_ms / 2, loss_pct=network.loss_pct)
        yield Change(start_s + max(0.0, at_s - network.begin_s), uplink, away)
