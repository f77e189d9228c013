"""What is so, whoever knows it: devices in real cities by population, nodes of unlike size, speed and price."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astraea.broker import expected_rtt_ms
from astraea.broker.fleet.pool import unit_vector
from astraea.broker.selection.geography import distances_km
from astraea.broker.selection.ranking import MS_PER_COST
from astraea.protocol import Instance, Location
from astraea.protocol.broker_api import Objective

from ..cities import CITIES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATE = 2.0
"""Requests a second of each device."""
REQUEST_BYTES = 70_000
OBJECTIVE = Objective.BALANCED
CROWD_AT_S, OUTAGE_AT_S, END_S = 60, 120, 180
OUTAGE_REGION = "Europe"
_ARRIVE_S, _CROWD_S, _CROWD_CITY = 40, 10, "Tokyo"
_SPREAD_DEGREES = 0.25
"""How far from the middle of their city devices are, as a standard deviation: in several of the broker's areas."""


@dataclass(frozen=True)
class World:
    """See above."""

    city: Ints
    """Of each device."""
    lat: Floats
    """Of each device, in degrees, as `lon`."""
    lon: Floats
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
        return self.service_ms * (RATE / 1e3)


def world(devices: int, nodes: int, seed: int, surprise: float) -> World:
    """A world by chance.

    Args:
        devices: how many; a fifth of them are the flash crowd of one city.
        nodes: how many.
        seed: of chance.
        surprise: how far round trips are from the broker's model of the distance, for each pair of city and node, as a
            standard deviation of the logarithm of the path's length.
    """
    chance = np.random.default_rng(seed)
    people = np.array([city.people for city in CITIES])
    share = people / people.sum()
    city = chance.choice(len(CITIES), devices, p=share)
    starts_s = chance.uniform(0, _ARRIVE_S, devices)
    crowd = slice(devices * 4 // 5, None)
    city[crowd] = next(number for number, c in enumerate(CITIES) if c.name == _CROWD_CITY)
    starts_s[crowd] = CROWD_AT_S + chance.uniform(0, _CROWD_S, starts_s[crowd].size)
    lat = np.array([c.lat for c in CITIES])[city] + chance.normal(0, _SPREAD_DEGREES, devices)
    lon = np.array([c.lon for c in CITIES])[city] + chance.normal(0, _SPREAD_DEGREES, devices)
    home = chance.choice(len(CITIES), nodes, p=np.sqrt(share) / np.sqrt(share).sum())
    size = np.exp(chance.normal(0, 0.5, nodes))
    service_ms = np.round(chance.uniform(20, 60, nodes), 1)
    busy = devices * RATE * service_ms.mean() / 1e3
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
    cost = price * service_ms / (3.6 * capacity) + traffic * REQUEST_BYTES / 1e3
    region = np.array([CITIES[h].region for h in home])
    weight = MS_PER_COST[OBJECTIVE]
    return World(city, lat, lon, starts_s, rtt_ms, capacity, service_ms, cost * weight, cost, region, instances)
