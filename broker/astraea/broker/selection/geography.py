"""Distances from one place to many at once; the model of the round trip is `astraea.protocol.geography`."""

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Location
from astraea.protocol.geography import EARTH_RADIUS_KM, distance_km, expected_rtt_ms, unit_vector

__all__ = ["NEUTRAL_KM", "distance_km", "distances_km", "expected_rtt_ms"]

NEUTRAL_KM = 1000.0
"""Assumed when a place is unknown: behind an instance of the same country, before one on another continent."""


def distances_km(places: NDArray[np.float64], here: Location) -> NDArray[np.float64]:
    """Great-circle distances from `here` to points on the unit sphere (3 x N); NaN where a point is.

    As `distance_km`.
    """
    chord = places - np.array(unit_vector(here))[:, None]
    half = np.sqrt(np.einsum("ij,ij->j", chord, chord)) / 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half, 1.0)))
