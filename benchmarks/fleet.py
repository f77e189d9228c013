"""A hundred thousand devices on a thousand nodes, in virtual time: `python -m benchmarks.fleet`.

The broker's own selection against nearest node, round robin and least loaded, and against the fractional optimum of a
linear program that knows everything. Devices are in real cities by population, and so are nodes, of unlike size, speed
and price. A flash crowd of 20 % of all devices comes up in one city within ten seconds; later every node of another
region fails at once. With `--surprise`, round trips differ from the broker's model of the distance: each pair of city
and node at random, which the optimum knows and the broker learns only from devices' reports.

Every device asks when it starts, every half minute, and when its node fails; it moves to where it is told. Its response
time, each second, is round trip + service + the wait that the node's load makes (Sakasegawa's formula, as a truth of
this world). Loads reach the broker as in life: a count of requests under way, by chance, every five seconds.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from astraea.broker import Broker, SqliteStore, expected_rtt_ms
from astraea.broker.fleet.pool import unit_vector
from astraea.broker.selection import expected_wait_ms
from astraea.broker.selection.geography import distances_km
from astraea.broker.selection.ranking import MS_PER_COST
from astraea.protocol import Instance, Load, Location
from astraea.protocol.broker_api import Ask, Objective, Report, Sharing

from .cities import CITIES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_POLICIES = ("nearest", "round robin", "least loaded", "astraea")
_RATE = 2.0
"""Requests a second of each device."""
_REQUEST_BYTES = 70_000
_ASK_S, _BEAT_S, _LEASE_S = 30, 5, 15
_ARRIVE_S, _CROWD_AT_S, _CROWD_S, _OUTAGE_AT_S, _END_S = 40, 60, 10, 120, 180
_CROWD_CITY, _OUTAGE_REGION = "Tokyo", "Europe"
_FAILED_MS = 1000.0
"""What a second costs whose requests go to a node that has failed."""
_TRIES = 4
"""Questions in a row of a device whose candidates all failed; then it waits for a second."""
_OBJECTIVE = Objective.BALANCED
_SEGMENTS = np.array([0.0, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87, 0.9, 0.92, 0.95])
"""Between these uses the optimum's wait is taken to be linear: a little below the real, convex one never, above it."""


@dataclass(frozen=True)
class World:
    """What is so, whoever knows it."""

    city: Ints
    """Of each device."""
    starts_s: Floats
    """When each device comes up."""
    rtt_ms: Floats
    """City x node."""
    capacity: Floats
    service_ms: Floats
    cost_ms: Floats
    """Of a request at each node, as the objective weighs it."""
    cost: Floats
    """Of a million requests."""
    region: NDArray[np.str_]
    nodes: list[Instance]

    @property
    def load(self) -> Floats:
        """Requests at once that one device keeps a node busy with."""
        return self.service_ms * (_RATE / 1e3)


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


def world(devices: int, nodes: int, seed: int, surprise: float) -> World:
    chance = np.random.default_rng(seed)
    people = np.array([city.people for city in CITIES])
    share = people / people.sum()
    city = chance.choice(len(CITIES), devices, p=share)
    starts_s = chance.uniform(0, _ARRIVE_S, devices)
    crowd = slice(devices * 4 // 5, None)
    city[crowd] = next(number for number, c in enumerate(CITIES) if c.name == _CROWD_CITY)
    starts_s[crowd] = _CROWD_AT_S + chance.uniform(0, _CROWD_S, starts_s[crowd].size)
    home = chance.choice(len(CITIES), nodes, p=np.sqrt(share) / np.sqrt(share).sum())
    size = np.exp(chance.normal(0, 0.5, nodes))
    service_ms = np.round(chance.uniform(20, 60, nodes), 1)
    busy = devices * _RATE * service_ms.mean() / 1e3
    capacity = np.maximum(1, np.round(size / size.sum() * busy / 0.6))  # 60 % in use when all devices are up
    price = np.round(chance.uniform(0.03, 0.12, nodes) * capacity, 2)
    traffic = np.round(chance.choice([0.0, 0.02, 0.05, 0.09], nodes), 2)
    instances = [
        Instance.model_validate(
            {
                "id": f"i{n}",
                "service": "plates",
                "revision": "1",
                "url": f"http://10.0.{n >> 8}.{n & 255}",
                "node": f"n{n}",
                "region": CITIES[home[n]].region,
                "location": {
                    "lat": float(CITIES[home[n]].lat + chance.normal(0, 0.2)),
                    "lon": float(CITIES[home[n]].lon + chance.normal(0, 0.2)),
                },
                "price": {"per_hour": float(price[n]), "per_gb": float(traffic[n])},
                "load": {"capacity": int(capacity[n])},
            }
        )
        for n in range(nodes)
    ]
    places = np.array([unit_vector(instance.location) for instance in instances]).T
    km = np.array([distances_km(places, Location(lat=c.lat, lon=c.lon)) for c in CITIES])
    base = expected_rtt_ms(0.0)
    detour = np.exp(chance.normal(0, surprise, km.shape))
    rtt_ms = base * np.exp(chance.normal(0, surprise / 2, km.shape)) + km * (expected_rtt_ms(1.0) - base) * detour
    cost = price * service_ms / (3.6 * capacity) + traffic * _REQUEST_BYTES / 1e3
    region = np.array([CITIES[h].region for h in home])
    weight = MS_PER_COST[_OBJECTIVE]
    return World(city, starts_s, rtt_ms, capacity, service_ms, cost * weight, cost, region, instances)


class Beat(NamedTuple):
    """One round of heartbeats."""

    now: float
    alive: NDArray[np.bool_]
    in_flight: Ints
    service_ms: Floats


class Visit(NamedTuple):
    """A device that asks."""

    now: float
    device: int
    current: int
    """The node that it uses; -1 for none yet."""


Dead = Callable[[int], bool]
"""Whether a node fails a device that tries it: what nobody knows before."""


class Policy:
    """Says which node a device is to use; `tell` it of heartbeats, `ask` for a device."""

    name: str

    def tell(self, beat: Beat) -> None:
        """Heartbeats of the nodes that are alive."""
        self.beat = beat

    def ask(self, visit: Visit, dead: Dead) -> int:
        """The node that a device is to use from now on."""
        raise NotImplementedError


class Nearest(Policy):
    """The least distance, whatever the load."""

    name = "nearest"

    def __init__(self, w: World) -> None:
        self._w = w
        places = np.array([unit_vector(instance.location) for instance in w.nodes]).T
        km = [distances_km(places, Location(lat=c.lat, lon=c.lon)) for c in CITIES]
        self._order: list[list[int]] = [np.argsort(row, kind="stable").tolist() for row in km]

    def ask(self, visit: Visit, dead: Dead) -> int:
        """See Policy.ask."""
        return next(node for node in self._order[int(self._w.city[visit.device])] if not dead(node))


class RoundRobin(Policy):
    """Everybody the next one."""

    name = "round robin"

    def __init__(self, w: World) -> None:
        self._count, self._turn = len(w.nodes), 0

    def ask(self, visit: Visit, dead: Dead) -> int:  # noqa: ARG002 - it doesn't matter who asks
        """See Policy.ask."""
        turns = (turn % self._count for turn in range(self._turn + 1, self._turn + 1 + self._count))
        self._turn = next(turn for turn in turns if not dead(turn))
        return self._turn


class LeastLoaded(Policy):
    """The least load of the last heartbeats, a tie broken by chance."""

    name = "least loaded"

    def __init__(self, w: World, chance: np.random.Generator) -> None:
        self._w, self._chance = w, chance

    def ask(self, visit: Visit, dead: Dead) -> int:
        """See Policy.ask."""
        use = np.where(self.beat.alive, self.beat.in_flight / self._w.capacity, np.inf)
        node = int(self._chance.choice(np.flatnonzero(use == use.min())))
        return self.ask(visit, dead) if dead(node) else node


class Ours(Policy):
    """The broker, as devices use it: they say where they are, what they use, what failed, and report round trips."""

    name = "astraea"

    def __init__(self, w: World, broker: Broker, clock: list[float], loop: asyncio.AbstractEventLoop) -> None:
        self._w, self._broker, self._clock, self._loop = w, broker, clock, loop
        self._failed: dict[int, list[int]] = {}

    def tell(self, beat: Beat) -> None:
        """See Policy.tell."""
        self._clock[0] = beat.now
        capacity, busy, median = self._w.capacity, beat.in_flight.tolist(), beat.service_ms.tolist()

        async def register() -> None:
            for node in np.flatnonzero(beat.alive).tolist():
                load = Load(in_flight=busy[node], capacity=int(capacity[node]), service_ms=median[node])
                await self._broker.register(self._w.nodes[node].model_copy(update={"load": load}))
            await self._broker.sweep()

        self._loop.run_until_complete(register())

    def ask(self, visit: Visit, dead: Dead) -> int:
        """See Policy.ask."""
        self._clock[0], current = visit.now, visit.current
        city = int(self._w.city[visit.device])
        place = Location(lat=CITIES[city].lat, lon=CITIES[city].lon)
        without: list[str] = []
        if current >= 0 and not dead(current):
            rtt_ms = float(self._w.rtt_ms[city, current])
            self._broker.report(place, [Report(instance=f"i{current}", rtt_ms=rtt_ms)])
        elif current >= 0:
            without.append(f"i{current}")
        for _ in range(_TRIES):
            ask = Ask(
                lat=place.lat,
                lon=place.lon,
                limit=8,
                rate=_RATE,
                request_bytes=_REQUEST_BYTES,
                current=f"i{current}" if current >= 0 and not without else None,
                without=",".join(without) or None,
            )
            told = [candidate.instance.id for candidate in self._broker.candidates("plates", ask).candidates]
            if not dead(int(told[0][1:])):
                return int(told[0][1:])
            without += [name for name in told if dead(int(name[1:]))]  # it tries them all at once
        return current


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
    for now in range(_END_S):
        if now == _OUTAGE_AT_S:
            alive &= w.region != _OUTAGE_REGION
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
        asks_at[due] += np.where(alive[at[due]], _ASK_S * chance.uniform(0.8, 1.0, due.size), 1.0)
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


def optimum(w: World) -> tuple[Figures, Floats]:
    """The least mean of response time and weighed cost, second by second, with devices divisible and all known."""
    samples: list[tuple[Floats, Floats]] = []
    per_second = np.full(_END_S, np.nan)
    cost = weight = 0.0
    known: dict[tuple[bool, bytes], tuple[Floats, Floats, float]] = {}
    step = 10
    for now in range(0, _END_S, step):
        middle = now + step / 2
        demand = np.bincount(w.city[w.starts_s <= middle], minlength=len(CITIES)).astype(np.float64)
        alive = (w.region != _OUTAGE_REGION) | (middle < _OUTAGE_AT_S)
        state = (middle < _OUTAGE_AT_S, demand.tobytes())
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
    flow = found.x[:flows]
    used = np.bincount(n, flow * w.load[n], nodes)
    wait_ms = expected_wait_ms(used / w.capacity, w.capacity, w.service_ms)
    some = flow > 1e-9
    response = (w.rtt_ms[c, n] + w.service_ms[n] + wait_ms[n])[some]
    return response, flow[some], float((flow * w.cost[n]).sum())


def _weighted_percentiles(values: Floats, weights: Floats, percents: Sequence[float]) -> list[float]:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum() * 100
    return [float(values[order][np.searchsorted(reached, percent)]) for percent in percents]


def run(w: World, seed: int, names: Sequence[str]) -> dict[str, tuple[Figures, Floats]]:
    clock = [0.0]
    chance = np.random.default_rng(seed)
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder, closing(loop), closing(SqliteStore(Path(folder) / "b.db")) as store:
        broker = Broker(store, lease_s=_LEASE_S, ttl_s=_ASK_S, clock=lambda: clock[0], chance=chance)
        loop.run_until_complete(broker.share_out("plates", Sharing(objective=_OBJECTIVE)))
        policies = (Nearest(w), RoundRobin(w), LeastLoaded(w, chance), Ours(w, broker, clock, loop))
        done = {policy.name: simulate(w, policy, seed) for policy in policies if policy.name in names}
    return done | {"optimum": optimum(w)}


def table(results: Sequence[Figures]) -> str:
    best = results[-1]
    head = (
        f"{'':14}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>9}{'p95 ratio':>11}{'cost':>8}{'ratio':>7}"
        f"{'overload':>10}{'us/ask':>8}"
    )
    lines = [head]
    lines += [
        f"{r.policy:14}{r.p50_ms:8.1f}{r.p95_ms:8.1f}{r.p99_ms:9.1f}{r.p95_ms / best.p95_ms:11.2f}{r.cost:8.3f}"
        f"{r.cost / best.cost:7.2f}{r.longest_overload_s:8} s{r.us_per_ask:8.0f}"
        for r in results
    ]
    return "\n".join(lines)


def plot(results: dict[str, tuple[Figures, Floats]], path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - only when a plot is asked for

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, (_, per_second) in results.items():
        style = {"color": "black", "linestyle": "--"} if name == "optimum" else {}
        axes.plot(per_second, label=name, **style)  # type: ignore[arg-type] # matplotlib's keywords
    for at, what in ((_CROWD_AT_S, "flash crowd"), (_OUTAGE_AT_S, "a region fails")):
        axes.axvline(at, color="grey", linewidth=0.8)
        axes.annotate(what, (at + 1, 0.97), xycoords=("data", "axes fraction"), va="top", fontsize=9)
    axes.set(yscale="log", xlabel="s", ylabel="95th percentile of response times, ms", title="100,000 devices")
    axes.legend()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the world and of chance (default: %(default)s)")
    parser.add_argument(
        "--surprise",
        type=float,
        default=0.0,
        help="how far round trips are from the model of the distance, as a standard deviation (default: %(default)s)",
    )
    parser.add_argument(
        "--only", nargs="+", default=["nearest", "round robin", "least loaded", "astraea"], help="policies"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="also draw the 95th percentile over time")
    given = parser.parse_args(arguments)
    w = world(given.devices, given.nodes, given.seed, given.surprise)
    results = run(w, given.seed, given.only)
    figures = [figure for figure, _ in results.values()]
    print(table(figures))
    print("bounds: astraea's p95 <= 1.15 x the optimum's, cost <= 1.10 x, no node above its capacity for more than 5 s")
    if given.json:
        given.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    if given.plot:
        plot(results, given.plot)


if __name__ == "__main__":
    main()
