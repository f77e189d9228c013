"""The broker without its HTTP: a real store, a clock that stands still until told otherwise."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest

from astraea.broker import Broker, StoreError, UnknownServiceError, open_store
from astraea.broker.store import Key, Kind, Store
from astraea.protocol import Instance, Load
from astraea.protocol.broker_api import Ask, AuditEntry

MakeInstance = Callable[..., Instance]
LEASE_S = 10.0


class Clock:
    """Monotonic seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class WatchedStore(Store):
    """A store that counts its transactions, waits for a permit before each while `gated`, and fails while `broken`."""

    def __init__(self, store: Store) -> None:
        self.real = store
        self.name = store.name
        self.transactions = 0
        self.broken = False
        self.gated = False
        self.permits = threading.Semaphore(0)

    def load(self) -> dict[Key, str]:
        return self.real.load()

    def instances(self) -> list[Instance]:
        """What instances are stored."""
        return [Instance.model_validate_json(body) for key, body in self.load().items() if key.kind == Kind.INSTANCE]

    def close(self) -> None:
        self.real.close()

    def write(self, changes: Mapping[Key, str | None], audit: Sequence[AuditEntry] = ()) -> None:
        assert not self.gated or self.permits.acquire(timeout=10)
        if self.broken:
            raise StoreError("the store is full")
        self.transactions += 1
        self.real.write(changes, audit)

    def _explained(self) -> Any: ...

    def _upsert(self, connection: Any, rows: Any) -> None: ...


async def _begin(call: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
    """Let a call run until it waits for the store."""
    task = asyncio.create_task(call)
    await asyncio.sleep(0)
    return task


def _fails(broker: Broker) -> bool:
    return broker.failure is not None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_address: str) -> Iterator[WatchedStore]:
    with closing(WatchedStore(open_store(store_address))) as opened:
        yield opened


@pytest.fixture
def broker(store: WatchedStore, clock: Clock) -> Broker:
    return Broker(store, lease_s=LEASE_S, clock=clock)


async def test_a_registration_is_stored_before_it_is_acknowledged(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    lease = await broker.register(make_instance())
    assert (lease.instance_id, lease.ttl_s) == ("plates-1", LEASE_S)
    assert store.instances() == [make_instance()]


async def test_heartbeats_are_not_written(broker: Broker, store: WatchedStore, make_instance: MakeInstance) -> None:
    await broker.register(make_instance())
    for in_flight in range(20):
        await broker.register(make_instance(load=Load(in_flight=in_flight)))
    assert store.transactions == 1
    assert broker.instances()[0].load.in_flight == 19


async def test_registrations_that_come_during_a_transaction_share_the_next(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    store.gated = True
    first = await _begin(broker.register(make_instance("first")))
    sharing = [await _begin(broker.register(make_instance(f"i{number}"))) for number in range(100)]
    store.permits.release()
    await first
    too_late = await _begin(broker.register(make_instance("too-late")))
    store.permits.release()
    await asyncio.wait_for(asyncio.gather(*sharing), 5)
    assert store.transactions == 2
    assert not too_late.done()
    store.permits.release()
    await too_late
    assert len(store.instances()) == 102


async def test_a_repeated_registration_waits_for_the_first_ones_transaction(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    store.gated = True
    first = await _begin(broker.register(make_instance()))
    second = await _begin(broker.register(make_instance()))
    done, _ = await asyncio.wait({first, second}, timeout=0.05)
    assert not done
    store.permits.release()
    await asyncio.gather(first, second)
    assert store.transactions == 1


async def test_the_store_ends_up_as_the_last_of_overlapping_changes_left_it(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    store.gated = True
    calls = []
    for node in ("node-1", "node-2", "node-3"):
        calls.append(await _begin(broker.register(make_instance(node=node))))
        calls.append(await _begin(broker.deregister("plates-1")))
    calls.append(await _begin(broker.register(make_instance(node="node-4"))))
    store.permits.release(len(calls))
    await asyncio.gather(*calls)
    assert store.instances() == broker.instances() == [make_instance(node="node-4")]


async def test_an_instance_expires_when_no_heartbeat_comes(
    broker: Broker, store: WatchedStore, clock: Clock, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance("silent"))
    clock.now += LEASE_S / 2
    await broker.register(make_instance("lively"))
    clock.now += LEASE_S / 2
    assert [instance.id for instance in broker.instances()] == ["lively"]
    assert broker.figures()["plates"].instances == 1
    await broker.sweep()
    assert [instance.id for instance in store.instances()] == ["lively"]
    assert broker.metrics.registry.get_sample_value("astraea_broker_leases_expired_total") == 1


async def test_stored_instances_start_with_a_fresh_lease_however_long_the_broker_was_away(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance())
    rebooted = Clock()
    rebooted.now = 3.0  # a monotonic clock starts anew with the machine
    restarted = Broker(store, lease_s=LEASE_S, clock=rebooted)
    rebooted.now += LEASE_S - 0.1
    assert restarted.instances() == [make_instance()]
    rebooted.now += 0.1
    assert restarted.instances() == []


async def test_while_the_store_fails_nothing_is_acknowledged_that_a_restart_would_lose(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance("old"))
    store.broken = True
    for _ in range(2):  # the second is a mere heartbeat of what is not stored
        with pytest.raises(StoreError):
            await broker.register(make_instance("new"))
        with pytest.raises(StoreError):
            await broker.deregister("old")
    assert _fails(broker)
    assert [instance.id for instance in broker.instances()] == ["new"]

    store.broken = False
    await broker.sweep()
    assert not _fails(broker)
    assert [instance.id for instance in store.instances()] == ["new"]


async def test_a_stored_instance_keeps_its_lease_while_the_store_fails(
    broker: Broker, store: WatchedStore, clock: Clock, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance())
    store.broken = True
    for _ in range(5):
        clock.now += LEASE_S / 2
        await broker.register(make_instance())
        await broker.sweep()
    assert broker.candidates("plates", Ask()).candidates


async def test_a_cancelled_registration_is_written_by_the_next_sweep(
    broker: Broker, store: WatchedStore, make_instance: MakeInstance
) -> None:
    store.gated = True
    registration = await _begin(broker.register(make_instance()))
    registration.cancel()
    with pytest.raises(asyncio.CancelledError):
        await registration
    store.permits.release(2)
    await broker.sweep()
    assert store.instances() == [make_instance()]


async def test_an_unknown_service_has_no_candidates(broker: Broker, clock: Clock, make_instance: MakeInstance) -> None:
    await broker.register(make_instance())
    with pytest.raises(UnknownServiceError, match="'cars'"):
        broker.candidates("cars", Ask())
    clock.now += LEASE_S
    with pytest.raises(UnknownServiceError, match="'plates'"):
        broker.candidates("plates", Ask())
