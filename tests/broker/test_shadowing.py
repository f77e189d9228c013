"""Which instances are told to copy their requests, and to whom."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.broker import Broker, open_store
from astraea.broker.selection import abort, promote
from astraea.broker.selection.shadowing import nearest
from astraea.protocol import Instance, Lease
from astraea.protocol.broker_api import Sharing

MakeInstance = Callable[..., Instance]
DARK = Sharing(weights={"2": 0, "1": 100}, shadow_share=0.25)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker(tmp_path: Path, clock: Clock) -> Iterator[Broker]:
    with closing(open_store(tmp_path / "broker.db")) as store:
        yield Broker(store, lease_s=10, clock=clock)


async def test_the_stable_revision_copies_to_the_canary_and_not_the_other_way(
    broker: Broker, clock: Clock, make_instance: MakeInstance
) -> None:
    await broker.access.care_for_keys()
    stable = make_instance("stable", revision="1")
    canary = make_instance("canary", revision="2", url="http://127.0.0.1:9000")
    other = make_instance("other", revision="2", service="faces")
    await broker.share_out("plates", DARK)
    assert (await broker.register(stable)).shadow is None, "there is nobody to copy to"
    await broker.register(other)
    assert (await broker.register(canary)).shadow is None
    clock.now += 1
    told = (await broker.register(stable)).shadow
    assert told is not None
    assert (told.revision, str(told.url), told.share) == ("2", "http://127.0.0.1:9000/", 0.25)
    assert told.token is not None
    assert told.token not in repr(told)
    lease = await broker.renew("stable", stable.load)
    assert lease is not None
    assert Lease.model_validate_json(lease.model_dump_json()) == Lease(instance_id="stable", ttl_s=10, shadow=told)


@pytest.mark.parametrize(
    "ended",
    [promote(DARK, "2"), abort(DARK, "2", {"1"}), Sharing(weights=DARK.weights), None],
    ids=["promoted", "aborted", "without shadowing", "no canary"],
)
async def test_copying_ends_with_the_canary(broker: Broker, make_instance: MakeInstance, ended: Sharing | None) -> None:
    await broker.register(make_instance("canary", revision="2"))
    await broker.share_out("plates", DARK)
    assert (await broker.register(make_instance("stable", revision="1"))).shadow is not None
    await broker.share_out("plates", ended)
    assert (await broker.register(make_instance("stable", revision="1"))).shadow is None


async def test_nothing_is_copied_to_instances_that_are_gone_or_drained(
    broker: Broker, clock: Clock, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance("canary", revision="2", node="there"))
    await broker.share_out("plates", DARK)
    await broker.drain("there", draining=True)
    assert (await broker.register(make_instance("stable", revision="1"))).shadow is None
    await broker.drain("there", draining=False)
    assert (await broker.register(make_instance("stable", revision="1"))).shadow is not None
    clock.now += 11
    assert (await broker.register(make_instance("stable", revision="1"))).shadow is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), min_size=1, max_size=6))
def test_copies_stay_near(places: list[tuple[str, str]]) -> None:
    def made(number: int, node: str, region: str) -> Instance:
        url = f"http://127.0.0.1:{9000 + number}"
        return Instance.model_validate(
            {"id": f"i{number}", "service": "s", "revision": "2", "url": url, "node": node, "region": region}
        )

    others = [made(number, *place) for number, place in enumerate(places)]
    chosen = nearest(made(99, "a", "x"), others)
    assert chosen is not None
    assert chosen == nearest(made(99, "a", "x"), others[::-1])
    assert chosen.node == "a" or all(other.node != "a" for other in others)
    assert chosen.region == "x" or chosen.node == "a" or all(other.region != "x" for other in others)
