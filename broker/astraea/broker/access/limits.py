"""How often somebody may ask. Pure: the caller says what time it is."""

from collections import OrderedDict

_MOST_CLIENTS = 50_000
"""The least lately seen are forgotten first: with a full allowance, as a newcomer has."""


class RateLimit:
    """A token bucket for each client.

    Args:
        per_second: what a client may ask in the long run.
        burst: what it may ask at once after a pause.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str, now: float) -> float:
        """Take one request of a client's allowance; 0, or how long it has to wait for that."""
        left, at = self._clients.get(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        allowed = left >= 1
        self._clients[client] = (left - allowed, now)
        self._clients.move_to_end(client)
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_second
