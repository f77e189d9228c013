"""Who is alive: instances and their leases, in memory.

Pure: the caller says what time it is, in seconds of one monotonic clock, the broker's own. No instance's clock is ever
asked, so skew between machines can't shorten or prolong a lease.
"""

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from astraea.protocol import Instance

from ..errors import StoreError
from ..metrics import ServiceFigures
from .pool import Column, Pool


class _Held(NamedTuple):
    instance: Instance
    expires_at: float


class Registry:
    """Instances by id and by service; each is live for `lease_s` after it was last put.

    Args:
        lease_s: how long a lease lasts.
        clock: tells when records of the store come in; all else is told by the caller.
        claim_s: how long a device keeps to an instance before it asks again; by default as long as a lease.
    """

    def __init__(
        self, lease_s: float, clock: Callable[[], float] = lambda: 0.0, *, claim_s: float | None = None
    ) -> None:
        self.lease_s = lease_s
        self._claim_s = claim_s or lease_s
        self._clock = clock
        # All leases last equally long, so a dict that puts the renewed last is in order of expiry.
        self._held: dict[str, _Held] = {}
        self._pools: dict[str, Pool] = {}

    def put(self, instance: Instance, now: float) -> bool:
        """Register an instance or renew its lease.

        Returns:
            Whether it is new or differs from what was known in more than its load.
        """
        known = self._held.pop(instance.id, None)
        if known is not None and known.instance.service != instance.service:
            self._leave(known.instance)
        expires_at = now + self.lease_s
        self._held[instance.id] = _Held(instance, expires_at)
        if (pool := self._pools.get(instance.service)) is None:
            pool = self._pools[instance.service] = Pool(self.lease_s, self._claim_s)
        pool.put(instance, expires_at)
        return known is None or instance != known.instance.model_copy(update={"load": instance.load})

    def get(self, instance_id: str) -> Instance | None:
        """The instance of this id as it was last put, if it is still held."""
        held = self._held.get(instance_id)
        return held.instance if held else None

    def remove(self, instance_id: str) -> bool:
        """Forget an instance; returns whether it was held."""
        held = self._held.pop(instance_id, None)
        if held is not None:
            self._leave(held.instance)
        return held is not None

    def expire(self, now: float) -> list[Instance]:
        """Forget the instances whose lease has run out by now, and return them."""
        overdue = []
        for held in self._held.values():
            if held.expires_at > now:
                break
            overdue.append(held.instance)
        for instance in overdue:
            self.remove(instance.id)
        return overdue

    def live(self, now: float, service: str | None = None) -> list[Instance]:
        """The instances with a lease at this moment, of one service or of all."""
        if service is None:
            return [held.instance for held in self._held.values() if held.expires_at > now]
        pool = self._pools.get(service, Pool())
        return [instance for instance in pool.instances if self._held[instance.id].expires_at > now]

    def figures(self, now: float) -> dict[str, ServiceFigures]:
        """How each service's live instances do together; a service without any is not listed."""
        figures = {name: _figures(pool, now) for name, pool in self._pools.items()}
        return {name: of_service for name, of_service in figures.items() if of_service.instances}

    def pool(self, service: str) -> Pool | None:
        """All instances of a service, expired ones among them."""
        return self._pools.get(service)

    def body(self, record_id: str) -> str | None:
        """See Keeper.body."""
        held = self._held.get(record_id)
        return held.instance.model_dump_json() if held else None

    def apply(self, record_id: str, body: str | None) -> None:
        """See Keeper.apply: an instance that is in the store starts with a fresh lease."""
        if body is None:
            self.remove(record_id)
            return
        try:
            instance = Instance.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise StoreError(
                f"the store's instance {record_id!r} is not what a broker writes: {first['msg']}",
                hint="delete that record: an instance that runs registers again with its next heartbeat",
            ) from None
        self.put(instance, self._clock())

    def _leave(self, instance: Instance) -> None:
        pool = self._pools[instance.service]
        pool.remove(instance.id)
        if not pool:
            del self._pools[instance.service]


def _figures(pool: Pool, now: float) -> ServiceFigures:
    live = pool.column(Column.EXPIRES_AT) > now
    times = pool.column(Column.SERVICE_MS)[live]
    known = times[~np.isnan(times)]
    return ServiceFigures(
        instances=int(live.sum()),
        in_flight=float(pool.column(Column.IN_FLIGHT)[live].sum()),
        capacity=float(pool.column(Column.CAPACITY)[live].sum()),
        service_ms=median(known.tolist()) if known.size else None,
    )
