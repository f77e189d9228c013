import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.broker import MatcherError, distance_km, expected_rtt_ms
from astraea.broker import rank as rank_pool
from astraea.broker.fleet import Column, Pool
from astraea.broker.selection import (
    NEUTRAL_KM,
    UNMEASURED_SERVICE_MS,
    Reports,
    expected_wait_ms,
    installed_matchers,
)
from astraea.protocol import Candidate, Instance, Load, Location
from astraea.protocol.broker_api import Ask, Report

MakeInstance = Callable[..., Instance]
HANGZHOU = Location(lat=30.27, lon=120.16)
SHANGHAI = Location(lat=31.23, lon=121.47)
BEIJING = Location(lat=39.90, lon=116.40)
TRANSFER_MS = 70_000 * 8 / 10e6 * 1e3
"""Of the default size on a usual uplink of 10 Mbit/s."""

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


def test_the_score_of_an_idle_instance_is_the_round_trip_and_its_own_time(make_instance: MakeInstance) -> None:
    idle = make_instance(location=SHANGHAI, load=Load(capacity=4, service_ms=80))
    (candidate,) = rank([idle], HANGZHOU, 5)
    assert candidate.distance_km == pytest.approx(164.6, abs=1)
    expected_ms = expected_rtt_ms(distance_km(HANGZHOU, SHANGHAI)) + TRANSFER_MS + 80
    assert candidate.score_ms == pytest.approx(expected_ms, abs=0.01)


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
    assert ranked[0].score_ms == pytest.approx(expected_rtt_ms(NEUTRAL_KM) + TRANSFER_MS + UNMEASURED_SERVICE_MS)


def test_an_instance_that_has_answered_nothing_yet_is_taken_for_a_typical_one(make_instance: MakeInstance) -> None:
    measured = [make_instance(f"m{ms}", load=Load(service_ms=ms)) for ms in (100, 200, 300)]
    ranked = rank([make_instance("new"), *measured], None, 4)
    assert [candidate.instance.id for candidate in ranked] == ["m100", "m200", "new", "m300"]


def test_a_wait_grows_with_use_and_steeply_when_full() -> None:
    waits = [float(expected_wait_ms(use, 4, 50)) for use in (0, 0.2, 0.5, 0.8, 0.94, 0.96, 1.0, 2.0)]
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert waits[2] < 10 < waits[4]
    assert waits[-2] > 500
    # One server at half of its capacity: rho / (1 - rho) services, exactly.
    assert float(expected_wait_ms(0.5, 1, 50)) == pytest.approx(50)


LIMITS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"near", "far", "cloud"}),
    ({"region": "east"}, {"near"}),
    ({"tier": "cloud"}, {"cloud"}),
    ({"tier": "edge"}, {"near", "far"}),
    ({"gpu": True}, {"far"}),
    ({"max_km": 500}, {"near"}),
    ({"gpu": True, "region": "east"}, set()),
]


@pytest.mark.parametrize(("limits", "left"), LIMITS)
def test_what_a_device_rules_out_is_not_offered(
    make_instance: MakeInstance, limits: dict[str, Any], left: set[str]
) -> None:
    fleet = [
        make_instance("near", location=SHANGHAI, region="east"),
        make_instance("far", location=BEIJING, region="north", gpu=True),
        make_instance("cloud", tier="cloud"),
    ]
    assert {candidate.instance.id for candidate in rank(fleet, HANGZHOU, 5, **limits)} == left


def test_the_objective_weighs_cost_against_time(make_instance: MakeInstance) -> None:
    dear = make_instance("dear", location=HANGZHOU, price={"per_hour": 4, "per_gb": 0.1}, load=Load(service_ms=20))
    cheap = make_instance("cheap", location=BEIJING, price={"per_hour": 0.1}, load=Load(service_ms=20))
    assert [c.instance.id for c in rank([dear, cheap], HANGZHOU, 2)] == ["dear", "cheap"]
    assert [c.instance.id for c in rank([dear, cheap], HANGZHOU, 2, objective="cost")] == ["cheap", "dear"]


def test_a_score_is_explained_by_its_terms(make_instance: MakeInstance) -> None:
    instance = make_instance(
        location=SHANGHAI, price={"per_hour": 3.6, "per_gb": 1}, load=Load(in_flight=2, capacity=4, service_ms=100)
    )
    (candidate,) = rank([instance], HANGZHOU, 1, objective="balanced", request_bytes=10_000, explain=True)
    reasons = candidate.reasons
    assert reasons is not None
    assert reasons.rtt_from == "distance"
    assert 0.3 < reasons.use < 0.5  # two requests at one moment may be chance
    assert reasons.wait_ms > 0
    # A million requests: 100,000 s of a quarter of the instance at 3.60 an hour, and 10 GB.
    assert reasons.cost_per_million == pytest.approx(25 + 10)
    response_ms = reasons.rtt_ms + reasons.transfer_ms + reasons.service_ms + reasons.wait_ms
    whole = response_ms + reasons.crowding_ms + reasons.cost_ms + reasons.matchers_ms
    assert candidate.score_ms == pytest.approx(whole, abs=0.01)


def test_the_instance_in_use_stays_first_until_another_is_clearly_better(make_instance: MakeInstance) -> None:
    def first(other_in_flight: int) -> str:
        here = make_instance("here", location=HANGZHOU, load=Load(in_flight=other_in_flight, capacity=8))
        there = make_instance("there", location=SHANGHAI, load=Load(capacity=8))
        return rank([here, there], HANGZHOU, 1, current="here")[0].instance.id

    assert rank([make_instance("other", location=HANGZHOU)], HANGZHOU, 1, current="gone")[0].instance.id == "other"
    assert [first(load) for load in (0, 2, 8)] == ["here", "here", "there"]


def test_devices_told_to_go_somewhere_count_until_they_have_to_ask_again(make_instance: MakeInstance) -> None:
    load = Load(capacity=2, service_ms=100)
    pool = pool_of([make_instance("a", load=load)])  # whose devices ask every 10 s

    def use() -> float:
        reasons = rank_pool(pool, Ask(explain=True), now=0.0)[0].reasons
        assert reasons is not None
        return reasons.use

    pool.claim("a", 10.0, now=100.0)
    pool.claim("a", 5.0, now=105.0)
    for now, expected in ((110.0, 0.75), (115.5, 0.25), (121.0, 0.0), (1000.0, 0.0)):
        pool.settle(now)
        pool.put(make_instance("a", load=load), 1.0)
        assert use() == expected
    pool.put(make_instance("a", load=Load(in_flight=2, capacity=2)), 1.0)
    assert use() < 0.2  # once may be chance
    for _ in range(30):
        pool.put(make_instance("a", load=Load(in_flight=2, capacity=2)), 1.0)
    assert 0.6 < use() < 1  # what heartbeats report counts as well


def test_a_device_that_asks_again_is_not_counted_twice(make_instance: MakeInstance) -> None:
    pool = pool_of([make_instance("a", load=Load(capacity=2))])
    for now in range(100, 200, 9):
        pool.settle(float(now))
        pool.release("a", 0.5)
        pool.claim("a", 0.5, float(now))
        assert pool.column(Column.CLAIMED)[0] == pytest.approx(0.5)
    pool.release("a", 5.0)
    assert pool.column(Column.CLAIMED)[0] == 0


def test_an_instance_is_doubted_when_devices_cannot_reach_it_and_a_heartbeat_is_missing(
    make_instance: MakeInstance,
) -> None:
    pool = Pool(lease_s=10)
    pool.put(make_instance("a"), expires_at=10.0)
    for _ in range(3):
        assert pool.available(9.0).tolist() == [True]
        pool.doubt(["a", "never-there"])
    assert pool.available(4.0).tolist() == [True]
    assert pool.available(6.0).tolist() == [False]
    pool.put(make_instance("a"), expires_at=16.0)
    assert pool.available(15.0).tolist() == [True]


def test_a_device_is_not_told_what_it_could_not_reach(make_instance: MakeInstance) -> None:
    fleet = [make_instance(name) for name in "abc"]
    assert {c.instance.id for c in rank(fleet, None, 5, without="a,c,x")} == {"b"}


def test_many_that_ask_at_once_are_spread_by_what_there_is_room_for(make_instance: MakeInstance) -> None:
    pool = pool_of(
        make_instance(name, location=place, load=Load(capacity=capacity, service_ms=50))
        for name, place, capacity in (("near", HANGZHOU, 10), ("next", SHANGHAI, 10), ("far", BEIJING, 30))
    )
    told: Counter[str] = Counter()
    for _ in range(400):
        best = rank_pool(pool, Ask(lat=30.27, lon=120.16), now=0.0, chance=np.random.default_rng(told.total()))[0]
        pool.claim(best.instance.id, 2.0, now=0.0)
        told[best.instance.id] += 1
    assert all(told[name] * 0.1 <= capacity for name, capacity in (("near", 10), ("next", 10), ("far", 30)))
    assert told["near"] > 60


def reported(reports: Reports, place: Location, node: str, expected_ms: float = 10, **measured: float) -> None:
    reports.add(place, node, Report.model_validate({"instance": "i", **measured}), expected_ms, now=0.0)


def late_ms(reports: Reports, place: Location, node: str, now: float = 0.0) -> float:
    known = reports.known(place, [node], now)
    assert known is not None
    return float(known.late_ms[0])


def test_what_devices_nearby_measured_replaces_the_model(make_instance: MakeInstance) -> None:
    near = make_instance("near", node="slow", location=HANGZHOU)
    far = make_instance("far", node="fast", location=BEIJING)
    reports, pool = Reports(), pool_of([near, far])
    for _ in range(20):
        reported(reports, HANGZHOU, "slow", 10, rtt_ms=200)
        reported(reports, HANGZHOU, "fast", expected_rtt_ms(distance_km(HANGZHOU, BEIJING)), rtt_ms=15)
    ask = Ask(lat=30.3, lon=120.2, explain=True)
    told = rank_pool(pool, ask, now=0.0, known=reports.known(HANGZHOU, pool.nodes, 0.0))
    assert [candidate.instance.id for candidate in told] == ["far", "near"]
    assert [candidate.reasons.rtt_from for candidate in told if candidate.reasons] == ["reports", "reports"]
    assert reports.known(BEIJING, pool.nodes, 0.0) is None
    later = rank_pool(pool, ask, now=0.0, known=reports.known(HANGZHOU, pool.nodes, 12 * 3600.0))
    assert [candidate.instance.id for candidate in later] == ["near", "far"]


@given(st.lists(st.floats(1, 60_000), min_size=1, max_size=80))
def test_an_estimate_lies_between_what_is_expected_and_what_was_reported(measured: list[float]) -> None:
    reports = Reports()
    for number, rtt_ms in enumerate(measured):
        reports.add(HANGZHOU, "node", Report(instance="i", rtt_ms=rtt_ms), 20.0, now=float(number))
    known = reports.known(HANGZHOU, ["node", "another"], float(len(measured)))
    assert known is not None
    for estimate in 20 + known.late_ms:
        assert min(20.0, *measured) - 1e-6 <= estimate <= max(20.0, *measured) + 1e-6
    assert 0 < known.reports[0] <= 53
    assert known.reports[1] == 0


def test_one_liar_among_many_moves_an_estimate_little() -> None:
    reports = Reports()
    for _ in range(30):
        reported(reports, HANGZHOU, "node", 10, rtt_ms=20, uplink_mbps=10)
    reported(reports, HANGZHOU, "node", 10, rtt_ms=60_000, uplink_mbps=1e-6)
    known = reports.known(HANGZHOU, ["node"], 0.0)
    assert known is not None
    assert known.late_ms[0] < 25
    assert 8e3 / known.uplink_ms_per_mb[0] > 5


def test_an_area_takes_its_neighbours_word_until_it_has_its_own() -> None:
    reports, next_door = Reports(), Location(lat=30.27, lon=120.9)
    for _ in range(20):
        reported(reports, HANGZHOU, "node", 10, rtt_ms=50)
    assert 20 < late_ms(reports, next_door, "node") < 40
    for _ in range(20):
        reported(reports, next_door, "node", 10, rtt_ms=12)
    assert late_ms(reports, next_door, "node") < 10
    assert late_ms(reports, HANGZHOU, "node") > 35


def test_an_area_with_a_slow_access_network_expects_the_same_of_nodes_that_it_has_not_measured() -> None:
    reports = Reports()
    for number in range(12):
        reported(reports, HANGZHOU, f"n{number}", 10, rtt_ms=60, uplink_mbps=2)
    known = reports.known(HANGZHOU, ["new"], 0.0)
    assert known is not None
    assert known.reports[0] == 0
    assert known.late_ms[0] > 20
    assert 8e3 / known.uplink_ms_per_mb[0] < 5


def test_the_more_a_frame_weighs_the_more_the_uplink_counts(make_instance: MakeInstance) -> None:
    pool = pool_of([make_instance("near", node="slow", location=HANGZHOU), make_instance("far", location=BEIJING)])
    reports = Reports()
    for _ in range(20):
        reported(reports, HANGZHOU, "slow", rtt_ms=10, uplink_mbps=2)
        reported(reports, HANGZHOU, "node-1", rtt_ms=35, uplink_mbps=40)
    known = reports.known(HANGZHOU, pool.nodes, 0.0)

    def best(request_bytes: int) -> Candidate:
        ask = Ask(lat=30.27, lon=120.16, request_bytes=request_bytes, explain=True)
        return rank_pool(pool, ask, now=0.0, known=known)[0]

    assert best(1_000).instance.id == "near"
    assert best(500_000).instance.id == "far"
    reasons = best(500_000).reasons
    assert reasons is not None
    assert reasons.transfer_ms == pytest.approx(500_000 * 8 / 40e6 * 1e3, rel=0.2)


def test_the_last_candidate_is_one_that_is_worth_measuring(make_instance: MakeInstance) -> None:
    """Thirty all alike: each is measured at times, and nobody is sent to find out."""
    pool = pool_of(make_instance(f"i{n}", node=f"n{n}", location=SHANGHAI) for n in range(30))
    chance = np.random.default_rng(1)
    told = [rank_pool(pool, Ask(lat=30.27, lon=120.16, limit=3), now=0.0, chance=chance) for _ in range(600)]
    assert all(len({candidate.instance.id for candidate in three}) == 3 for three in told)
    assert len({three[0].instance.id for three in told}) == 1
    assert len({three[2].instance.id for three in told}) == 28
    reports = Reports()
    for n in range(2, 29):
        for _ in range(20):
            reported(reports, HANGZHOU, f"n{n}", 10, rtt_ms=30)
    known = reports.known(HANGZHOU, pool.nodes, 0.0)
    asked = Ask(lat=30.27, lon=120.16, limit=3)
    ranked = [rank_pool(pool, asked, now=0.0, known=known, chance=chance) for _ in range(200)]
    last = [three[2].instance.node for three in ranked]
    assert sum(last.count(f"n{n}") for n in (0, 1, 29)) > 100  # of the three that nobody has measured


def test_a_matcher_moves_instances_and_rules_them_out(make_instance: MakeInstance) -> None:
    def matcher(ask: Ask, instance: Instance) -> float | None:
        return {"a": 30.0, "b": None, "c": 0.0}[instance.id]

    pool = pool_of(make_instance(name) for name in "abc")
    told = rank_pool(pool, Ask(explain=True), now=0.0, matchers=[matcher])
    assert [candidate.instance.id for candidate in told] == ["c", "a"]
    assert told[1].reasons is not None
    assert told[1].reasons.matchers_ms == 30


def test_an_instance_that_a_matcher_favours_by_more_than_it_takes_is_first_with_a_score_of_zero(
    make_instance: MakeInstance,
) -> None:
    def matcher(ask: Ask, instance: Instance) -> float:
        return {"a": 0.0, "b": -1000.0, "c": -2000.0}[instance.id]

    told = rank_pool(pool_of(make_instance(name) for name in "abc"), Ask(), now=0.0, matchers=[matcher])
    assert [candidate.instance.id for candidate in told] == ["c", "b", "a"]
    assert [candidate.score_ms for candidate in told[:2]] == [0, 0]


def test_installed_matchers_are_found_and_broken_ones_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (tmp_path / "third_party.py").write_text("def prefer(ask, instance):\n    return 1.5\n\nnothing = 3\n")
    entries = info / "entry_points.txt"
    entries.write_text("[astraea.broker.matchers]\nprefer = third_party:prefer\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    [(name, matcher)] = installed_matchers().items()
    assert name == "prefer"
    assert matcher(Ask(), None) == 1.5  # type: ignore[arg-type] # it looks at neither
    for broken, reason in (("third_party:nothing", "can't be called"), ("third_party:missing", "missing")):
        entries.write_text(f"[astraea.broker.matchers]\nbroken = {broken}\n")
        with pytest.raises(MatcherError, match=reason):
            installed_matchers()
