"""From places to round trips, before anybody has measured them.

A packet goes there and back, `DETOUR` times as far as the crow flies, at the speed of light in fibre; `LAST_MILE_MS`
comes on top for the device's access network.
"""

from math import asin, cos, dist, radians, sin

from .instance import Location

EARTH_RADIUS_KM = 6371.0088
"""The mean radius R1 of the WGS 84 ellipsoid."""

FIBRE_KM_PER_MS = 200.0
"""Two thirds of the speed of light in vacuum: glass has a refractive index of about 1.47."""

DETOUR = 2.1
"""How much longer an Internet path takes than fibre along the line of sight would: a rule of thumb from several
measurement campaigns (Bozkurt et al., "Dissecting Latency in the Internet's Fiber Infrastructure", 2018, section 1)."""

LAST_MILE_MS = 10.0
"""Assumed for the device's access network (Wi-Fi, 4G, 5G). The same for all instances: it never changes their order."""


def unit_vector(place: Location) -> tuple[float, float, float]:
    """A place as a point on the unit sphere."""
    lat, lon = radians(place.lat), radians(place.lon)
    return (cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat))


def distance_km(a: Location, b: Location) -> float:
    """The great-circle distance, within 0.6 % of the ellipsoid's.

    By the chord, which loses no digits for near points: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68
    (1984), p. 159.
    """
    return 2 * EARTH_RADIUS_KM * asin(min(dist(unit_vector(a), unit_vector(b)) / 2, 1.0))


def expected_rtt_ms(km: float) -> float:
    """The round trip to a place so far away."""
    return LAST_MILE_MS + 2 * DETOUR * km / FIBRE_KM_PER_MS
