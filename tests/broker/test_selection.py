import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.broker import Ask, distance_km, expected_rtt_ms
from astraea.broker import rank as rank_pool
from astraea.broker.fleet import Pool
from astraea.broker.selection import NEUTRAL_KM, UNMEASURED_SERVICE_MS, expected_wait_ms
from astraea.protocol import Candidate, Instance, Load, Location

MakeInstance = Callable[..., Instance]
HANGZHOU = Location(lat=30.27, lon=120.16)
SHANGHAI = Location(lat=31.23, lon=121.47)
BEIJING = Location(lat=39.90, lon=116.40)

places = st.builds(Location, lat=st.floats(-90, 90), lon=st.floats(-180, 180))
loads = st.builds(
    Load,
    in_flight=st.integers(0, 1_000_000),
    capacity=st.integers(1, 1_000_000),
    service_ms=st.none() | st.floats(0, 3_600_000),
)


def _instance(instance_id: str, location: Location | None, load: Load) -> Instance:
    return Instance.model_validate(
        {
            "id": instance_id,
            "service": "plates",
            "revision": "1",
            "url": "http://127.0.0.1",
            "node": "n",
            "location": location,
            "load": load,
        }
    )


def pool_of(instances: Iterable[Instance]) -> Pool:
    pool = Pool()
    for instance in instances:
        pool.put(instance, 1.0)
    return pool


def rank(instances: Iterable[Instance], place: Location | None, limit: int, **wanted: Any) -> list[Candidate]:
    """What a device at a place is offered, without any chance in it."""
    here = {} if place is None else {"lat": place.lat, "lon": place.lon}
    return rank_pool(pool_of(instances), Ask.model_validate({"limit": limit} | here | wanted), now=0.0)


fleets = st.lists(st.tuples(st.none() | places, loads), max_size=12).map(
    lambda drawn: [_instance(f"i{number}", location, load) for number, (location, load) in enumerate(drawn)]
)


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        (Location(lat=48.8566, lon=2.3522), Location(lat=51.5074, lon=-0.1278), 343.6),
        (HANGZHOU, BEIJING, 1125),
        (Location(lat=0, lon=179.5), Location(lat=0, lon=-179.5), 111.2),
        (Location(lat=0, lon=0), Location(lat=0, lon=180), 20015.1),
        (Location(lat=90, lon=0), Location(lat=90, lon=120), 0),
    ],
    ids=["paris-london", "hangzhou-beijing", "over the date line", "antipodes", "the pole by two names"],
)
def test_distances_agree_with_published_ones(a: Location, b: Location, km: float) -> None:
    assert distance_km(a, b) == pytest.approx(km, rel=2e-3, abs=1e-6)


@given(places, places)
def test_distance_is_symmetric_and_at_most_half_the_globe(a: Location, b: Location) -> None:
    assert 0 <= distance_km(a, b) <= 20016
    assert distance_km(a, b) == pytest.approx(distance_km(b, a))


@given(places, places, places, loads)
def test_of_two_equally_loaded_instances_the_nearer_comes_first(
    device: Location, one: Location, other: Location, load: Load
) -> None:
    ranked = rank([_instance("a", one, load), _instance("b", other, load)], device, 2)
    nearest = min(distance_km(device, one), distance_km(device, other))
    assert ranked[0].instance.location is not None
    assert distance_km(device, ranked[0].instance.location) == pytest.approx(nearest, abs=1e-3)


@given(st.none() | places, st.none() | places, loads, st.integers(1, 1000))
def test_a_busier_instance_never_comes_before_an_idler_one_at_the_same_place(
    device: Location | None, place: Location | None, load: Load, more: int
) -> None:
    busier = load.model_copy(update={"in_flight": load.in_flight + more})
    ranked = rank([_instance("a", place, busier), _instance("b", place, load)], device, 2)
    assert [candidate.instance.id for candidate in ranked] == ["b", "a"]


@given(fleets, st.none() | places, st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_ranking_does_not_depend_on_the_order_of_the_input(
    fleet: list[Instance], device: Location | None, limit: int, shuffler: random.Random
) -> None:
    ranked = rank(fleet, device, limit)
    shuffler.shuffle(fleet)
    assert rank(fleet, device, limit) == ranked
    assert len(ranked) == min(limit, len(fleet))
    assert ranked == rank(fleet, device, len(fleet) or 1)[:limit]
    scores = [candidate.score_ms for candidate in ranked]
    assert scores == sorted(scores)


def test_the_score_is_the_round_trip_and_the_time_in_the_service(make_instance: MakeInstance) -> None:
    half_full = make_instance(location=SHANGHAI, load=Load(in_flight=2, capacity=4, service_ms=80))
    (candidate,) = rank([half_full], HANGZHOU, 5)
    assert candidate.distance_km == pytest.approx(164.6, abs=1)
    wait_ms = float(expected_wait_ms(0.5, 4, 80))
    assert candidate.score_ms == pytest.approx(
        expected_rtt_ms(distance_km(HANGZHOU, SHANGHAI)) + 80 + wait_ms, abs=0.01
    )


def test_a_near_but_full_instance_gives_way_to_an_idle_one_farther_off(make_instance: MakeInstance) -> None:
    full = make_instance("full", location=HANGZHOU, load=Load(in_flight=8, capacity=2, service_ms=60))
    idle = make_instance("idle", location=BEIJING, load=Load(in_flight=0, capacity=2, service_ms=60))
    assert [candidate.instance.id for candidate in rank([full, idle], HANGZHOU, 2)] == ["idle", "full"]


def test_an_instance_without_a_place_ranks_between_near_and_far_ones(make_instance: MakeInstance) -> None:
    near = make_instance("near", location=SHANGHAI)
    nowhere = make_instance("nowhere")
    far = make_instance("far", location=Location(lat=52.5, lon=13.4))
    ranked = rank([far, nowhere, near], HANGZHOU, 3)
    assert [candidate.instance.id for candidate in ranked] == ["near", "nowhere", "far"]
    assert ranked[1].distance_km is None


def test_a_device_without_a_place_gets_the_idlest(make_instance: MakeInstance) -> None:
    busy = make_instance("busy", location=HANGZHOU, load=Load(in_flight=1))
    idle = make_instance("idle", location=BEIJING)
    ranked = rank([busy, idle], None, 2)
    assert [candidate.instance.id for candidate in ranked] == ["idle", "busy"]
    assert [candidate.distance_km for candidate in ranked] == [None, None]
    assert ranked[0].score_ms == pytest.approx(expected_rtt_ms(NEUTRAL_KM) + UNMEASURED_SERVICE_MS)


def test_an_instance_that_has_answered_nothing_yet_is_taken_for_a_typical_one(make_instance: MakeInstance) -> None:
    measured = [make_instance(f"m{ms}", load=Load(service_ms=ms)) for ms in (100, 200, 300)]
    ranked = rank([make_instance("new"), *measured], None, 4)
    assert [candidate.instance.id for candidate in ranked] == ["m100", "m200", "new", "m300"]
