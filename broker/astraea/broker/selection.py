"""Which instance is expected to answer a device soonest. Pure: instances and a place in, a ranking out.

expected response = round trip + time in the service:

- The round trip grows with the great-circle distance: there and back, `DETOUR` times as far as the crow flies, at the
  speed of light in fibre; plus `LAST_MILE_MS` for the device's access network.
- A request takes the instance's own recent median, and longer the more requests share the instance with it:
  `service_ms * (1 + in_flight / capacity)`. Growing before the instance is full spreads devices early.

What devices measure will replace the first term where it is known; this is the guess before anybody has measured.
"""

import heapq
import statistics
from collections.abc import Collection
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from astraea.protocol import Candidate, Instance, Location

EARTH_RADIUS_KM = 6371.0088
"""The mean radius R1 of the WGS 84 ellipsoid."""

FIBRE_KM_PER_MS = 200.0
"""Two thirds of the speed of light in vacuum: glass has a refractive index of about 1.47."""

DETOUR = 2.1
"""How much longer an Internet path takes than fibre along the line of sight would: a rule of thumb from several
measurement campaigns (Bozkurt et al., "Dissecting Latency in the Internet's Fiber Infrastructure", 2018, section 1)."""

LAST_MILE_MS = 10.0
"""Assumed for the device's access network (Wi-Fi, 4G, 5G). The same for all instances: it never changes their order."""

NEUTRAL_KM = 1000.0
"""Assumed when a place is unknown: behind an instance of the same country, before one on another continent."""

UNMEASURED_SERVICE_MS = 50.0
"""Assumed when no instance has answered anything yet; one without a time of its own gets the median of the others."""


def distance_km(a: Location, b: Location) -> float:
    """The great-circle distance by the haversine formula, within 0.6 % of the ellipsoid's.

    R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984), p. 159.
    """
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    half_chord = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(half_chord)))


def expected_rtt_ms(km: float) -> float:
    """The round trip to a place so far away, before anybody has measured it."""
    return LAST_MILE_MS + 2 * DETOUR * km / FIBRE_KM_PER_MS


class _Scored(NamedTuple):
    """Compares as the ranking does; ids are unique, so that no comparison ever reaches the instance itself."""

    score_ms: float
    km: float
    use: float
    instance_id: str
    instance: Instance


def rank(instances: Collection[Instance], place: Location | None, limit: int) -> list[Candidate]:
    """The best `limit` instances for a device at `place` (None: unknown), the soonest answer first.

    The order is total: equal expectations are settled by distance, then by load, then by id.
    """
    typical_ms = _typical_service_ms(instances)
    best = heapq.nsmallest(limit, (_score(instance, place, typical_ms) for instance in instances))
    return [_candidate(scored, place) for scored in best]


def _typical_service_ms(instances: Collection[Instance]) -> float:
    measured = [i.load.service_ms for i in instances if i.load.service_ms is not None]
    return statistics.median(measured) if measured else UNMEASURED_SERVICE_MS


def _score(instance: Instance, place: Location | None, typical_ms: float) -> _Scored:
    km = NEUTRAL_KM if place is None or instance.location is None else distance_km(place, instance.location)
    load = instance.load
    use = load.in_flight / load.capacity
    service_ms = typical_ms if load.service_ms is None else load.service_ms
    return _Scored(expected_rtt_ms(km) + service_ms * (1 + use), km, use, instance.id, instance)


def _candidate(scored: _Scored, place: Location | None) -> Candidate:
    known = place is not None and scored.instance.location is not None
    return Candidate(
        instance=scored.instance,
        distance_km=round(scored.km, 3) if known else None,  # to the metre and the microsecond: the rest is noise
        score_ms=round(scored.score_ms, 3),
    )
