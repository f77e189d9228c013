"""How long a request waits for its turn."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FULL = 0.95
"""Of an instance's capacity in use, from where the queue is taken to grow as a fluid's would: steeply, but finitely."""
_OVERFLOW_SERVICES = 200.0
"""Waits, in services, that each further 100 % of use adds: an instance without room comes after all that have some."""


def expected_wait_ms(use: ArrayLike, capacity: ArrayLike, service_ms: ArrayLike) -> NDArray[np.float64]:
    """The mean wait in a queue before `capacity` servers that are in use to a share of `use` (0: idle, 1: full).

    H. Sakasegawa, "An approximation formula Lq = a * b^rho / (1 - rho)", Annals of the Institute of Statistical
    Mathematics 29 (1977), for random arrivals and services: within a few percent, exact for one server. It grows long
    before an instance is full, which spreads devices early.
    """
    rho = np.minimum(use, FULL)
    servers = np.asarray(capacity, dtype=np.float64)
    waits = rho ** (np.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - rho))
    overflow = _OVERFLOW_SERVICES * np.maximum(np.asarray(use) - FULL, 0.0)
    return np.asarray(service_ms * (waits + overflow))
