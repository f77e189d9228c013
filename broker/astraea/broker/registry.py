"""Who is alive: instances and their leases, in memory.

Pure: the caller says what time it is, in seconds of one monotonic clock, the broker's own. No instance's clock is ever
asked, so skew between machines can't shorten or prolong a lease.
"""

from collections import Counter, defaultdict
from typing import NamedTuple

from astraea.protocol import Instance, Load

_NO_LOAD = Load()


class _Held(NamedTuple):
    instance: Instance
    expires_at: float


class Registry:
    """Instances by id and by service; each is live for `lease_s` after it was last put."""

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        # All leases last equally long, so a dict that puts the renewed last is in order of expiry.
        self._held: dict[str, _Held] = {}
        self._by_service: defaultdict[str, dict[str, _Held]] = defaultdict(dict)

    def put(self, instance: Instance, now: float) -> bool:
        """Register an instance or renew its lease.

        Returns:
            Whether it is new or differs from what was known in more than its load.
        """
        known = self._pop(instance.id)
        held = _Held(instance, now + self.lease_s)
        self._held[instance.id] = self._by_service[instance.service][instance.id] = held
        return known is None or _without_load(known) != _without_load(instance)

    def get(self, instance_id: str) -> Instance | None:
        """The instance of this id as it was last put, if it is still held."""
        held = self._held.get(instance_id)
        return held.instance if held else None

    def remove(self, instance_id: str) -> bool:
        """Forget an instance; returns whether it was held."""
        return self._pop(instance_id) is not None

    def expire(self, now: float) -> list[Instance]:
        """Forget the instances whose lease has run out by now, and return them."""
        overdue = []
        for held in self._held.values():
            if held.expires_at > now:
                break
            overdue.append(held.instance)
        for instance in overdue:
            self._pop(instance.id)
        return overdue

    def live(self, now: float, service: str | None = None) -> list[Instance]:
        """The instances with a lease at this moment, of one service or of all."""
        held = self._held if service is None else self._by_service.get(service, {})
        return [instance for instance, expires_at in held.values() if expires_at > now]

    def services(self, now: float) -> dict[str, int]:
        """How many live instances each service has; a service without any is not listed."""
        return Counter(instance.service for instance in self.live(now))

    def _pop(self, instance_id: str) -> Instance | None:
        held = self._held.pop(instance_id, None)
        if held is None:
            return None
        peers = self._by_service[held.instance.service]
        del peers[instance_id]
        if not peers:
            del self._by_service[held.instance.service]
        return held.instance


def _without_load(instance: Instance) -> Instance:
    return instance.model_copy(update={"load": _NO_LOAD})
