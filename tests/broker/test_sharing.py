"""How devices are shared out among revisions."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.broker import Broker, open_store
from astraea.broker.selection import side
from astraea.protocol import Instance
from astraea.protocol.broker_api import Ask, Sharing

MakeInstance = Callable[..., Instance]
DEVICES = [f"device-{number}" for number in range(100_000)]


@pytest.mark.parametrize("percent", [1, 5, 10, 25, 50, 90])
def test_the_split_over_many_devices_is_what_was_asked_for(percent: int) -> None:
    told = Counter(side("plates", {"canary": percent, "stable": 100 - percent}, device) for device in DEVICES)
    assert told["canary"] / len(DEVICES) * 100 == pytest.approx(percent, abs=0.5)


def test_devices_without_a_name_are_split_by_chance() -> None:
    told = Counter(side("plates", {"canary": 20, "stable": 80}, None) for _ in range(20_000))
    assert told["canary"] / 20_000 == pytest.approx(0.2, abs=0.02)


@given(st.text(min_size=1), st.lists(st.integers(0, 100), min_size=2, max_size=8).map(sorted))
def test_a_device_keeps_its_side_while_the_canary_only_grows(device: str, percents: list[int]) -> None:
    sides = [side("plates", {"canary": percent, "stable": 100 - percent}, device) for percent in percents]
    assert sides == sorted(sides, reverse=True)  # stable, then canary, and never back


def test_other_services_are_split_independently() -> None:
    canary = {device for device in DEVICES[:20_000] if side("a", {"new": 1, "old": 1}, device) == "new"}
    both = {device for device in canary if side("b", {"new": 1, "old": 1}, device) == "new"}
    assert len(both) / len(canary) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("weights", [{"a": 0}, {"a": -1, "b": 2}, {"a": float("nan")}, {"a b": 1}, {"a": 1e7}])
def test_weights_that_make_no_sense_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Sharing(weights=weights)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with closing(open_store(tmp_path / "broker.db")) as store:
        yield Broker(store, lease_s=10)


def _told(broker: Broker, devices: int = 1000, **ask: str) -> Counter[str]:
    return Counter(
        broker.candidates("plates", Ask(device=f"d{number}", limit=1, **ask)).candidates[0].instance.revision  # type: ignore[arg-type]
        for number in range(devices)
    )


async def test_a_canary_is_begun_widened_and_aborted_while_the_broker_runs(
    broker: Broker, make_instance: MakeInstance
) -> None:
    for revision in ("1", "2"):
        await broker.register(make_instance(f"i{revision}", revision=revision, load={"capacity": 1_000_000}))
    await broker.share_out("plates", Sharing(weights={"2": 10, "1": 90}))
    assert _told(broker)["2"] == pytest.approx(100, abs=40)
    await broker.share_out("plates", Sharing(weights={"2": 50, "1": 50}))
    assert _told(broker)["2"] == pytest.approx(500, abs=70)
    await broker.share_out("plates", Sharing(weights={"2": 0, "1": 100}))
    assert _told(broker, current="i2") == {"1": 1000}  # devices that use it leave when they next ask


async def test_a_revision_without_instances_leaves_its_devices_to_the_others(
    broker: Broker, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance("i1", revision="1"))
    await broker.share_out("plates", Sharing(weights={"2": 50, "1": 50}))
    assert _told(broker) == {"1": 1000}
    await broker.share_out("plates", Sharing(weights={"2": 100, "1": 0}))
    assert _told(broker) == {"1": 1000}  # better than no answer


async def test_a_draining_node_is_offered_to_nobody(broker: Broker, make_instance: MakeInstance) -> None:
    await broker.register(make_instance("i1", revision="1", node="going"))
    await broker.register(make_instance("i2", revision="2", node="staying"))
    await broker.drain("going", draining=True)
    assert _told(broker, 50, current="i1") == {"2": 50}
    await broker.drain("going", draining=False)
    assert set(_told(broker, 50, current="i1")) == {"1"}
