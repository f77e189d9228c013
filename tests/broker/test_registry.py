from collections import Counter
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from astraea.broker import Registry
from astraea.protocol import Instance, Load

MakeInstance = Callable[..., Instance]
LEASE_S = 10.0


def _instance(instance_id: str, service: str) -> Instance:
    return Instance.model_validate(
        {"id": instance_id, "service": service, "revision": "1", "url": "http://127.0.0.1", "node": "n"}
    )


class RegistryComparedWithAPlainDict(RuleBasedStateMachine):
    """Whatever happens in whatever order, the registry lists what a dict of expiry times would."""

    ids = st.sampled_from("abcd")
    names = st.sampled_from(["plates", "cars"])

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry(LEASE_S)
        self.model: dict[str, tuple[Instance, float]] = {}
        self.now = 0.0

    @rule(instance_id=ids, service=names)
    def put(self, instance_id: str, service: str) -> None:
        instance = _instance(instance_id, service)
        known = self.model.get(instance_id)
        assert self.registry.put(instance, self.now) is (known is None or known[0] != instance)
        self.model[instance_id] = instance, self.now + LEASE_S

    @rule(instance_id=ids)
    def remove(self, instance_id: str) -> None:
        assert self.registry.remove(instance_id) is (self.model.pop(instance_id, None) is not None)

    @rule(passed_s=st.sampled_from([0.0, 1.0, 5.0, LEASE_S, 100.0]))
    def pass_time(self, passed_s: float) -> None:
        self.now += passed_s

    @rule()
    def expire(self) -> None:
        overdue = {i for i, (_, expires_at) in self.model.items() if expires_at <= self.now}
        assert {instance.id for instance in self.registry.expire(self.now)} == overdue
        for instance_id in overdue:
            del self.model[instance_id]

    @invariant()
    def lists_the_same(self) -> None:
        alive = [instance for instance, expires_at in self.model.values() if expires_at > self.now]
        for service in (None, "plates", "cars"):
            listed = self.registry.live(self.now, service)
            assert {i.id for i in listed} == {i.id for i in alive if service in (None, i.service)}
            assert len(listed) == len({i.id for i in listed})
        counts = {name: figures.instances for name, figures in self.registry.figures(self.now).items()}
        assert counts == Counter(i.service for i in alive)


TestRegistryComparedWithAPlainDict = RegistryComparedWithAPlainDict.TestCase


def test_a_lease_ends_exactly_after_its_term(make_instance: MakeInstance) -> None:
    registry = Registry(LEASE_S)
    registry.put(make_instance(), 0.0)
    assert registry.live(LEASE_S - 0.001)
    assert not registry.live(LEASE_S)


def test_a_heartbeat_with_another_load_is_no_change_but_is_listed(make_instance: MakeInstance) -> None:
    registry = Registry(LEASE_S)
    assert registry.put(make_instance(), 0.0)
    busy = make_instance(load=Load(in_flight=3, capacity=2))
    assert not registry.put(busy, 5.0)
    assert registry.live(14.0, "plates") == [busy]


def test_an_instance_that_changes_its_service_leaves_the_old_one(make_instance: MakeInstance) -> None:
    registry = Registry(LEASE_S)
    registry.put(make_instance(), 0.0)
    assert registry.put(make_instance(service="cars"), 1.0)
    assert registry.live(1.0, "plates") == []
    assert {name: figures.instances for name, figures in registry.figures(1.0).items()} == {"cars": 1}
