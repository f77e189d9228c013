"""From places to round trips, before anybody has measured them.

A packet goes there and back, `DETOUR` times as far as the crow flies, at the speed of light in fibre; `LAST_MILE_MS`
comes on top for the device's access network.
"""

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Location

from ..fleet.pool import unit_vector

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


def distance_km(a: Location, b: Location) -> float:
    """The great-circle distance, within 0.6 % of the ellipsoid's."""
    return float(distances_km(np.array(unit_vector(a))[:, None], b)[0])


def distances_km(places: NDArray[np.float64], here: Location) -> NDArray[np.float64]:
    """Great-circle distances from `here` to points on the unit sphere (3 x N); NaN where a point is.

    By the chord, which loses no digits for near points: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68
    (1984), p. 159.
    """
    chord = places - np.array(unit_vector(here))[:, None]
    half = np.sqrt(np.einsum("ij,ij->j", chord, chord)) / 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half, 1.0)))


def expected_rtt_ms(km: float) -> float:
    """The round trip to a place so far away."""
    return LAST_MILE_MS + 2 * DETOUR * km / FIBRE_KM_PER_MS
