"""Which instance of a canary gets copies of what an instance of another revision answers."""

from collections.abc import Collection
from hashlib import blake2b
from typing import NamedTuple

from astraea.protocol import Instance
from astraea.protocol.broker_api import Sharing

from ..fleet import Pool

_KEPT_S = 1.0
"""How long the instances of a canary are taken for the same: each heartbeat asks for them, and a pool may be large."""


class _Known(NamedTuple):
    revision: str
    instances: list[Instance]
    until: float


class Shadows:
    """The canaries of all services; time is the caller's, in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def receiver(
        self, instance: Instance, sharing: Sharing, pool: Pool, avoid: Collection[str], now: float
    ) -> Instance | None:
        """The canary's instance that is to have an instance's copies: on its node, else in its region, else any.

        Args:
            instance: whose requests are copied.
            sharing: of its service.
            pool: all instances of its service.
            avoid: nodes that are being drained.
            now: what time it is.

        Returns:
            None when nothing is to be copied, or there is nobody to take it; so for the canary's own instances.
        """
        revision = next(iter(sharing.weights), None)
        if not sharing.shadow_share or revision is None or instance.revision == revision:
            return None
        known = self._known.get(instance.service)
        if known is None or known.revision != revision or known.until <= now:
            live = pool.available(now).tolist()
            found = [one for one, alive in zip(pool.instances, live, strict=True) if alive and one.revision == revision]
            known = self._known[instance.service] = _Known(revision, found, now + _KEPT_S)
        return nearest(instance, [one for one in known.instances if one.node not in avoid])


def nearest(instance: Instance, others: Collection[Instance]) -> Instance | None:
    """One on the same node, else in the same region, else any; of several, the same one for the same instance."""

    def distance(other: Instance) -> tuple[bool, bool, bytes]:
        chance = blake2b(f"{instance.id}/{other.id}".encode(), digest_size=8).digest()
        return other.node != instance.node, other.region != instance.region, chance

    return min(others, key=distance, default=None)
