"""Who says which node a device is to use."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astraea.broker import Broker
from astraea.broker.fleet.pool import unit_vector
from astraea.broker.selection.geography import distances_km
from astraea.protocol import Load, Location
from astraea.protocol.broker_api import Ask, Report

from ..cities import CITIES
from .world import RATE, REQUEST_BYTES, Floats, Ints, World

_TRIES = 4
"""Questions in a row of a device whose candidates all failed; then it waits for a second."""
_CANDIDATES = 3
"""That a device asks for, compares and reports of: `astraea.device` does so."""
_NOISE = 0.1
"""Of what a device reports, as a standard deviation of its logarithm: ways in a city differ from each other."""


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


class Policy(ABC):
    """Says which node a device is to use; `tell` it of heartbeats, `ask` for a device."""

    name: str

    def tell(self, beat: Beat) -> None:
        """Heartbeats of the nodes that are alive."""
        self.beat = beat

    @abstractmethod
    def ask(self, visit: Visit, dead: Dead) -> int:
        """The node that a device is to use from now on."""


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
    """The broker, as devices use it.

    They say where they are, which node they use and which failed, and report round trips to the candidates they had.
    """

    name = "astraea"

    def __init__(
        self,
        w: World,
        broker: Broker,
        clock: list[float],
        loop: asyncio.AbstractEventLoop,
        chance: np.random.Generator,
    ) -> None:
        self._w, self._broker, self._clock, self._loop, self._chance = w, broker, clock, loop, chance
        self._had: dict[int, list[int]] = {}
        """The candidates of each device."""

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
        place = Location.model_construct(lat=float(self._w.lat[visit.device]), lon=float(self._w.lon[visit.device]))
        self._report(visit.device, place, dead)
        without = [f"i{current}"] if current >= 0 and dead(current) else []
        for _ in range(_TRIES):
            ask = Ask(
                lat=place.lat,
                lon=place.lon,
                limit=_CANDIDATES,
                rate=RATE,
                request_bytes=REQUEST_BYTES,
                current=f"i{current}" if current >= 0 and not without else None,
                without=",".join(without) or None,
            )
            found = self._broker.candidates("plates", ask).candidates
            told = [int(candidate.instance.id[1:]) for candidate in found]
            self._had[visit.device] = told
            if not dead(told[0]):
                return told[0]
            without += [f"i{node}" for node in told if dead(node)]  # it tries them all at once
        return current

    def _report(self, device: int, place: Location, dead: Dead) -> None:
        city = self._w.city[device]
        alive = [node for node in self._had.get(device, ()) if not dead(node)]
        if alive:
            rtt_ms = self._w.rtt_ms[city, alive] * np.exp(_NOISE * self._chance.standard_normal(len(alive)))
            pairs = zip(alive, rtt_ms.tolist(), strict=True)
            self._broker.report(place, [Report.model_construct(instance=f"i{n}", rtt_ms=ms) for n, ms in pairs])
