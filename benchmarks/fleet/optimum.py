"""The least mean of response time and weighed cost, with devices divisible and everything known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from astraea.broker.selection import expected_wait_ms

from ..cities import CITIES
from .simulation import Figures
from .world import END_S, OUTAGE_AT_S, OUTAGE_REGION, Floats, World

_SEGMENTS = np.array([0.0, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87, 0.9, 0.92, 0.95])
"""Between these uses the wait is taken to be linear: a little below the real, convex one never, above it."""


def optimum(w: World) -> tuple[Figures, Floats]:
    """How the optimum does, and its 95th percentile each second."""
    samples: list[tuple[Floats, Floats]] = []
    per_second = np.full(END_S, np.nan)
    cost = weight = 0.0
    known: dict[tuple[bool, bytes], tuple[Floats, Floats, float]] = {}
    step = 10
    for now in range(0, END_S, step):
        middle = now + step / 2
        demand = np.bincount(w.city[w.starts_s <= middle], minlength=len(CITIES)).astype(np.float64)
        alive = (w.region != OUTAGE_REGION) | (middle < OUTAGE_AT_S)
        state = (middle < OUTAGE_AT_S, demand.tobytes())
        if state not in known:
            known[state] = _solve(w, demand, alive)
        response, devices, cost_sum = known[state]
        samples.append((response, devices * step))
        per_second[now : now + step] = _weighted_percentiles(response, devices, [95])[0]
        cost += cost_sum * step
        weight += devices.sum() * step
    response = np.concatenate([r for r, _ in samples])
    devices = np.concatenate([d for _, d in samples])
    p50, p95, p99 = _weighted_percentiles(response, devices, [50, 95, 99])
    return Figures("optimum", p50, p95, p99, cost / weight, 0, 0, 0.0), per_second


def _solve(w: World, demand: Floats, alive: NDArray[np.bool_]) -> tuple[Floats, Floats, float]:
    """One state's optimum: response times, the devices that have them, and their cost."""
    cities, nodes = w.rtt_ms.shape
    worth = w.rtt_ms + w.service_ms + w.cost_ms
    worth[:, ~alive] = np.inf
    nearest = np.argsort(worth, axis=1)[:, : min(400, int(alive.sum()))]
    c = np.repeat(np.arange(cities), nearest.shape[1])
    n = nearest.ravel()
    flows, segments = c.size, _SEGMENTS.size - 1
    # A node's total wait by how much of it is in use is convex, so a minimum fills its segments in order.
    waits = expected_wait_ms(_SEGMENTS, w.capacity[:, None], w.service_ms[:, None])
    total = waits * (_SEGMENTS * w.capacity[:, None] / w.load[:, None])
    width = np.diff(_SEGMENTS) * w.capacity[:, None]
    slope = np.diff(total, axis=1) / width
    objective = np.concatenate((worth[c, n], slope.ravel()))
    every = np.arange(nodes)
    rows = np.concatenate((c, cities + n, cities + np.repeat(every, segments)))
    columns = np.concatenate((np.arange(flows), np.arange(flows), flows + np.arange(nodes * segments)))
    values = np.concatenate((np.ones(flows), w.load[n], np.full(nodes * segments, -1.0)))
    a_eq = coo_array((values, (rows, columns)), shape=(cities + nodes, flows + nodes * segments)).tocsr()
    bounds = np.concatenate(
        (
            np.column_stack((np.zeros(flows), np.full(flows, np.inf))),
            np.column_stack((np.zeros(nodes * segments), width.ravel())),
        )
    )
    found = linprog(objective, A_eq=a_eq, b_eq=np.concatenate((demand, np.zeros(nodes))), bounds=bounds, method="highs")
    if not found.success:
        raise SystemExit(f"the linear program has no solution: {found.message}")
    flow = np.maximum(found.x[:flows], 0.0)  # the solver's rounding
    used = np.bincount(n, flow * w.load[n], nodes)
    wait_ms = expected_wait_ms(used / w.capacity, w.capacity, w.service_ms)
    some = flow > 1e-9
    response = (w.rtt_ms[c, n] + w.service_ms[n] + wait_ms[n])[some]
    return response, flow[some], float((flow * w.cost[n]).sum())


def _weighted_percentiles(values: Floats, weights: Floats, percents: Sequence[float]) -> list[float]:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum() * 100
    return [float(values[order][np.searchsorted(reached, percent)]) for percent in percents]
