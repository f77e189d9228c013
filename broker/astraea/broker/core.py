"""The broker itself: what the API's calls do, with fleet, selection, store and clock put together."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from pydantic import BaseModel

from astraea.protocol import Candidates, Instance, Lease, Load, Location, Shadow
from astraea.protocol.broker_api import Ask, Report, ServiceSignals, Sharing

from .access import Access
from .errors import StoreError, UnknownServiceError
from .events import Events
from .fleet import Column, Pool, Registry, Signals
from .metrics import Metrics, ServiceFigures
from .selection import NEUTRAL_KM, Matcher, Reports, Shadows, distance_km, expected_rtt_ms, rank, side
from .store import Collection, Keeper, Key, Kind, Mirror, Store

_log = logging.getLogger(__name__)
_SWEEP_S = 1.0
"""How often expired leases are cleared away; reads pass over them before that."""
_EXCHANGE_S = 0.3
"""How often brokers that share a store look for each other's changes and pass on heartbeats."""
_PURGE_S = 60.0
_KEYS_S = 600.0
_SILENT_LEASES = 3
"""Leases after which an instance that no broker heard of is dropped from a shared store."""


class Draining(BaseModel):
    """A node that gets no devices any more."""


class Broker:
    """Keeps instances' leases and ranks them for devices.

    Instances found in the store start with a fresh lease: each either sends a heartbeat within it or expires.

    Args:
        store: what to start from and to keep up to date; the caller closes it.
        lease_s: how long an instance is listed after its last heartbeat.
        ttl_s: after which devices ask again; by default as long as a lease.
        clock: monotonic seconds.
        access: who may do what; by default one that goes by this machine's time of day.
        matchers: third parties' judges in the selection.
        chance: for spreading devices; None: everybody gets the same order.
    """

    def __init__(
        self,
        store: Store,
        *,
        lease_s: float,
        ttl_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        access: Access | None = None,
        matchers: Mapping[str, Matcher] | None = None,
        chance: np.random.Generator | None = None,
    ) -> None:
        self.store = store
        self.lease_s = lease_s
        self.ttl_s = ttl_s or lease_s
        self.events = Events()
        self.sharings = Collection(Kind.SERVICE, Sharing)
        self.draining = Collection(Kind.NODE, Draining)
        self.metrics = Metrics(self.figures, lambda: self.failure is not None)
        self._clock = clock
        self._matchers = tuple((matchers or {}).values())
        self._chance = chance
        self.access = access or Access()
        self._reports = Reports()
        self._signals = Signals()
        self._shadows = Shadows()
        self._registry = Registry(lease_s, clock, claim_s=self.ttl_s)
        collections = (self.sharings, self.draining, *self.access.collections)
        keepers: dict[Kind, Keeper] = {collection.kind: collection for collection in collections}
        keepers[Kind.INSTANCE] = self._registry
        self.mirror = Mirror(store, keepers)
        self.sharings.mirror = self.draining.mirror = self.mirror
        self.access.keep_in(self.mirror, store)
        for key, body in store.load().items():
            keepers[key.kind].apply(key.id, body)

    async def register(self, instance: Instance) -> Lease:
        """Take a registration or heartbeat; returns when all but the load is in the store.

        Raises:
            StoreError: it is listed, but would not survive a restart.
        """
        key = Key(Kind.INSTANCE, instance.id)
        new = self._registry.get(instance.id) is None
        if self._registry.put(instance, self._clock()):
            self.mirror.mark(key)
            if new:
                self.events.tell("instance-registered", instance.id, f"{instance.service} {instance.revision}")
        elif self.store.shared:
            self.mirror.mark_lazily(key)
        await self.mirror.settled(key)
        return Lease(instance_id=instance.id, ttl_s=self.lease_s, shadow=self._shadow(instance))

    async def renew(self, instance_id: str, load: Load) -> Lease | None:
        """Take a heartbeat that says no more than the load; None if the instance isn't known and must register."""
        instance = self._registry.get(instance_id)
        if instance is None:
            return None
        return await self.register(instance.model_copy(update={"load": load}))

    async def deregister(self, instance_id: str) -> None:
        """Forget an instance, known or not; returns when it is out of the store.

        Raises:
            StoreError: it is no longer listed, but a restart would bring it back for one lease.
        """
        key = Key(Kind.INSTANCE, instance_id)
        if self._registry.remove(instance_id):
            self.mirror.mark(key)
            self.events.tell("instance-gone", instance_id)
        await self.mirror.settled(key)

    def instances(self, service: str | None = None) -> list[Instance]:
        """Who is alive, of one service or of all, by id."""
        return sorted(self._registry.live(self._clock(), service), key=lambda instance: instance.id)

    def figures(self) -> Mapping[str, ServiceFigures]:
        """How each service that has live instances does."""
        return self._registry.figures(self._clock())

    def candidates(self, service: str, ask: Ask) -> Candidates:
        """The best instances of a service for a device, good for `ttl_s`.

        None of them may be left by the device's limits. The first is taken for the one that the device will use.

        Raises:
            UnknownServiceError: no live instance offers it.
        """
        now = self._clock()
        pool = self._registry.pool(service)
        if pool is None or not (pool.column(Column.EXPIRES_AT) > now).any():
            raise UnknownServiceError(f"no live instance offers the service {service!r}")
        pool.settle(now)
        pool.doubt(ask.unreachable)
        if ask.current in pool.rows:
            pool.release(ask.current, ask.rate)
        sharing = self.sharings.items.get(service) or _ALIKE
        ranked = rank(
            pool,
            ask,
            now=now,
            known=self._reports.known(ask.place, pool.nodes, now) if ask.place else None,
            matchers=self._matchers,
            avoid=frozenset(self.draining.items),
            objective=sharing.objective,
            revision=self._revision(service, sharing, pool, ask, now),
            chance=self._chance,
        )
        if ranked:
            best = ranked[0].instance
            pool.claim(best.id, ask.rate, now)
            self.metrics.told.labels(service, best.revision).inc()
        return Candidates(service=service, candidates=tuple(ranked), ttl_s=self.ttl_s)

    async def share_out(self, service: str, sharing: Sharing | None) -> None:
        """Set how a service's devices are shared out; None: every revision alike again.

        Raises:
            StoreError: it holds, but would not survive a restart.
        """
        weights = ", ".join(f"{name} {weight:g}" for name, weight in (sharing or _ALIKE).weights.items())
        self.events.tell("service-changed", service, weights or "every revision alike")
        if sharing is None:
            await self.sharings.remove(service)
        else:
            await self.sharings.put(service, sharing)

    async def drain(self, node: str, *, draining: bool) -> None:
        """Offer a node's instances to nobody, or offer them again; devices leave them when they next ask.

        Raises:
            StoreError: as for `share_out`.
        """
        self.events.tell("node-draining" if draining else "node-back", node)
        if draining:
            await self.draining.put(node, Draining())
        else:
            await self.draining.remove(node)

    def report(self, place: Location | None, reports: list[Report]) -> int:
        """Take in what a device measured; returns how many were about instances that are known."""
        known = 0
        for report in reports:
            if (instance := self._registry.get(report.instance)) is None:
                continue
            known += 1
            self._signals.told(instance, report)
            if place is not None:
                km = NEUTRAL_KM if instance.location is None else distance_km(place, instance.location)
                self._reports.add(place, instance.node, report, expected_rtt_ms(km), self._clock())
        return known

    def asked(self, service: str) -> None:
        """A device wants the service, whether or not there is anyone to offer it."""
        self._signals.asked(service, self._clock())

    def signals(self, service: str) -> ServiceSignals:
        """What devices make of a service."""
        return self._signals.of(service, self._clock())

    @property
    def failure(self) -> StoreError | None:
        """Why the store can't be used at the moment; None while all is well."""
        return self.mirror.failure

    async def sweep(self) -> None:
        """Clear away expired leases, and write what could not be written before."""
        for instance in self._registry.expire(self._clock()):
            _log.warning("lease expired: instance %s of service %s", instance.id, instance.service)
            self.metrics.expired.inc()
            self.events.tell("instance-expired", instance.id, f"{instance.service} {instance.revision}")
            if not self.store.shared:  # there, another broker may hear of it; see Store.purge
                self.mirror.mark(Key(Kind.INSTANCE, instance.id))
        with suppress(StoreError):  # the mirror has logged it, keeps what it could not write, and shows it as `failure`
            await self.mirror.flush()

    async def exchange(self) -> None:
        """Pass on heartbeats to the brokers that share the store, and take over their changes."""
        with suppress(StoreError):
            await self.mirror.flush()
            await self.mirror.refresh()

    async def keep_going(self) -> None:
        """Do what has to be done every now and then, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_every(_SWEEP_S, self.sweep))
            tasks.create_task(_every(_KEYS_S, self._care_for_keys))
            if self.store.shared:
                tasks.create_task(_every(_EXCHANGE_S, self.exchange))
                tasks.create_task(_every(_PURGE_S, self._purge))

    async def _care_for_keys(self) -> None:
        with suppress(StoreError):
            await self.access.care_for_keys()

    async def _purge(self) -> None:
        with suppress(StoreError):
            await self.mirror.on_disk(lambda: self.store.purge(_SILENT_LEASES * self.lease_s))

    def _shadow(self, instance: Instance) -> Shadow | None:
        """Where an instance is to send copies of its requests, while its service has a canary that is to be tried."""
        sharing, pool = self.sharings.items.get(instance.service), self._registry.pool(instance.service)
        if sharing is None or pool is None:
            return None
        receiver = self._shadows.receiver(instance, sharing, pool, self.draining.items, self._clock())
        if receiver is None:
            return None
        token = self.access.tokens.sign(instance.service, _SHADOW)
        return Shadow(
            revision=receiver.revision, url=receiver.url, share=sharing.shadow_share, token=token and token.text
        )

    def _revision(self, service: str, sharing: Sharing, pool: Pool, ask: Ask, now: float) -> str | None:
        """The revision that a device is to get: its side of the weights, among those that have instances to offer."""
        if not sharing.weights:
            return None
        live = pool.available(now)
        offered = {i.revision for i, alive in zip(pool.instances, live.tolist(), strict=True) if alive}
        chosen = side(service, sharing.weights, ask.device)
        if chosen in offered:
            return chosen
        rest = {name: weight for name, weight in sharing.weights.items() if weight > 0 and name in offered}
        return side(service, rest, ask.device) if rest else None


_ALIKE = Sharing()
_SHADOW = "shadow"
"""Whom tokens for copies of requests are made out to."""


async def _every(seconds: float, work: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await work()  # type: ignore[misc] # each of ours is a coroutine function
