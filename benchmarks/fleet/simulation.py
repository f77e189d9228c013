"""Three minutes of a world that a policy guides, second by second.

Every device asks when it starts, every quarter of a minute, and when its node fails; it moves to where it is told. Its
response time, each second, is round trip + service + the wait that the node's load makes (Sakasegawa's formula, as a
truth of this world). Loads reach the broker as in life: a count of requests under way, by chance, every five seconds.
"""

import time
from dataclasses import dataclass

import numpy as np

from astraea.broker.selection import expected_wait_ms

from .policies import Beat, Policy, Visit
from .world import END_S, OUTAGE_AT_S, OUTAGE_REGION, Floats, World

ASK_S, _BEAT_S = 15, 5
_FAILED_MS = 1000.0
"""What a second costs whose requests go to a node that has failed."""


@dataclass(frozen=True)
class Figures:
    """How one policy did."""

    policy: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cost: float
    """Of a million requests, on average."""
    longest_overload_s: int
    """For which some node was above its capacity without a break."""
    asks: int
    us_per_ask: float


def simulate(w: World, policy: Policy, seed: int) -> tuple[Figures, Floats]:
    """Let a policy guide the devices for three minutes; how it did, and its 95th percentile each second."""
    chance = np.random.default_rng(seed)
    devices, nodes = w.city.size, len(w.nodes)
    at = np.full(devices, -1)
    asks_at = w.starts_s.copy()
    alive = np.ones(nodes, np.bool_)
    load, used = w.load, np.zeros(nodes)
    longest, asks, spent_s = 0, 0, 0.0
    streak = np.zeros(nodes)
    samples: list[Floats] = []
    costs: list[float] = []
    per_second: list[float] = []
    for now in range(END_S):
        if now == OUTAGE_AT_S:
            alive &= w.region != OUTAGE_REGION
            hit = (at >= 0) & ~alive[at]
            asks_at[hit] = now + chance.uniform(0, 1, int(hit.sum()))
        if now % _BEAT_S == 0:
            wait_ms = expected_wait_ms(used / w.capacity, w.capacity, w.service_ms)
            queued = np.where(used > 0.8 * w.capacity, wait_ms, 0.0)  # with less use, more than half don't wait at all
            in_flight = chance.poisson(used).astype(np.int64)
            policy.tell(Beat(float(now), alive, in_flight, w.service_ms + queued))
        due = np.flatnonzero((asks_at >= now) & (asks_at < now + 1))
        due = due[np.argsort(asks_at[due])]
        before = at.copy()
        began = time.perf_counter()
        dead = (~alive).tolist().__getitem__
        for device in due.tolist():
            at[device] = policy.ask(Visit(float(asks_at[device]), device, int(at[device])), dead)
        spent_s += time.perf_counter() - began
        asks += due.size
        asks_at[due] += np.where(alive[at[due]], ASK_S * chance.uniform(0.8, 1.0, due.size), 1.0)
        up = np.flatnonzero(at >= 0)
        used = np.bincount(at[up], load[at[up]], nodes).astype(np.float64)
        streak = (streak + 1) * (used > w.capacity)
        longest = max(longest, int(streak.max()))
        wait_ms = expected_wait_ms(used / w.capacity, w.capacity, w.service_ms)
        response = w.rtt_ms[w.city[up], at[up]] + w.service_ms[at[up]] + wait_ms[at[up]]
        failed = ~alive[at[up]] | ((before[up] >= 0) & ~alive[before[up]])
        response[failed] += _FAILED_MS
        samples.append(response.astype(np.float32))
        per_second.append(float(np.percentile(response, 95)))
        costs.append(float(w.cost[at[up]].sum()))
    everything = np.concatenate(samples)
    p50, p95, p99 = np.percentile(everything, [50, 95, 99])
    cost = sum(costs) / everything.size
    figures = Figures(
        policy.name, float(p50), float(p95), float(p99), cost, longest, asks, spent_s / max(asks, 1) * 1e6
    )
    return figures, np.array(per_second)
