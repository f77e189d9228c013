"""The broker itself: what the API's calls do, with the registry, the store and the clock put together."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from astraea.protocol import Candidates, Instance, Lease, Location

from .errors import StoreError, UnknownServiceError
from .metrics import Metrics
from .mirror import Mirror
from .registry import Registry
from .selection import rank
from .store import Store

_log = logging.getLogger(__name__)
_SWEEP_S = 1.0
"""How often expired leases are cleared away; reads pass over them before that."""


class Broker:
    """Keeps instances' leases and ranks them for devices.

    Instances found in the store start with a fresh lease: each either sends a heartbeat within it or expires.

    Args:
        store: what to start from and to keep up to date; the caller closes it.
        lease_s: how long an instance is listed after its last heartbeat.
        clock: monotonic seconds.
    """

    def __init__(self, store: Store, *, lease_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._registry = Registry(lease_s)
        for instance in store.load():
            self._registry.put(instance, clock())
        self._mirror = Mirror(self._registry, store)
        self.metrics = Metrics(self.services)

    async def register(self, instance: Instance) -> Lease:
        """Take a registration or heartbeat; returns when all but the load is in the store.

        Raises:
            StoreError: it is listed, but would not survive a restart.
        """
        if self._registry.put(instance, self._clock()):
            self._mirror.mark(instance.id)
        await self._mirror.settled(instance.id)
        return Lease(instance_id=instance.id, ttl_s=self._registry.lease_s)

    async def deregister(self, instance_id: str) -> None:
        """Forget an instance, known or not; returns when it is out of the store.

        Raises:
            StoreError: it is no longer listed, but a restart would bring it back for one lease.
        """
        if self._registry.remove(instance_id):
            self._mirror.mark(instance_id)
        await self._mirror.settled(instance_id)

    def instances(self, service: str | None = None) -> list[Instance]:
        """Who is alive, of one service or of all, by id."""
        return sorted(self._registry.live(self._clock(), service), key=lambda instance: instance.id)

    def services(self) -> Mapping[str, int]:
        """How many live instances each service has."""
        return self._registry.services(self._clock())

    def candidates(self, service: str, place: Location | None, limit: int) -> Candidates:
        """The best instances of a service for a device at `place`, good for one lease.

        Raises:
            UnknownServiceError: no live instance offers it.
        """
        live = self._registry.live(self._clock(), service)
        if not live:
            raise UnknownServiceError(f"no live instance offers the service {service!r}")
        ranked = rank(live, place, limit)
        return Candidates(service=service, candidates=tuple(ranked), ttl_s=self._registry.lease_s)

    @property
    def failure(self) -> StoreError | None:
        """Why the store can't be written at the moment; None while all is well."""
        return self._mirror.failure

    async def sweep(self) -> None:
        """Clear away expired leases, and write what could not be written before."""
        for instance in self._registry.expire(self._clock()):
            _log.warning("lease expired: instance %s of service %s", instance.id, instance.service)
            self.metrics.expired.inc()
            self._mirror.mark(instance.id)
        with suppress(StoreError):  # the mirror has logged it, keeps what it could not write, and shows it as `failure`
            await self._mirror.flush()

    async def keep_sweeping(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            await self.sweep()
