"""How long a request waits for its turn."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FULL = 0.9
"""Of an instance's capacity in use, from where the queue is taken to grow as a fluid's would: steeply, but finitely."""
_OVERFLOW_SERVICES = 200.0
"""Waits, in services, that each further 100 % of use adds: an instance without room comes after all that have some."""


def expected_wait_ms(use: ArrayLike, capacity: ArrayLike, service_ms: ArrayLike) -> NDArray[np.float64]:
    """The mean wait in a queue before `capacity` servers that are in use to a share of `use` (0: idle, 1: full).

    H. Sakasegawa, "An approximation formula Lq = a * b^rho / (1 - rho)", Annals of the Institute of Statistical
    Mathematics 29 (1977), for random arrivals and services: within a few percent, exact for one server. It grows long
    before an instance is full, which spreads devices early.
    """
    return wait_and_crowding_ms(use, capacity, service_ms)[0]


def wait_and_crowding_ms(
    use: ArrayLike, capacity: ArrayLike, service_ms: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean wait, and by how much one more request makes all the others together wait longer.

    The second is `use` times the derivative of the first. Where everybody goes where it is best for themselves, near
    instances are crowded by devices that would be served as well elsewhere; where each also counts what it costs the
    others, the sum over all is the least (A. C. Pigou, "The Economics of Welfare", 1920; for queues, P. Naor, "The
    Regulation of Queue Size by Levying Tolls", Econometrica 37 (1969)).
    """
    rho = np.minimum(use, FULL)
    servers = np.asarray(capacity, dtype=np.float64)
    exponent = np.sqrt(2 * (servers + 1)) - 1
    waits = rho**exponent / (servers * (1 - rho))
    crowding = waits * (exponent + rho / (1 - rho))
    overflow = _OVERFLOW_SERVICES * np.maximum(np.asarray(use) - FULL, 0.0)
    return np.asarray(service_ms * (waits + overflow)), np.asarray(service_ms * crowding)
