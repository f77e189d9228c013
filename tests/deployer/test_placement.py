"""Where services are placed: what nodes have, what they cost, whom they reach in time, and who takes over from one."""

from collections import Counter
from itertools import combinations
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.deployer.capacity import lack, taken_by_others, with_room
from astraea.deployer.covering import cheapest_cover
from astraea.deployer.desired import Release
from astraea.deployer.engines import InstancePlan, InstanceStatus
from astraea.deployer.errors import PlacementError
from astraea.deployer.images import ServiceImage
from astraea.deployer.nodes import Capacity, Node, NodePrice
from astraea.deployer.placement import explain, move, place
from astraea.protocol import Resources, ServiceSpec

GI = 2**30


def node(name: str, km: float = 0.0, **known: object) -> Node:
    """A node of the region `r`, so far east of the others on the equator, where a degree is 111.19 km."""
    return Node.model_validate({"name": name, "region": "r", "location": {"lat": 0, "lon": km / 111.195}, **known})


def service(latency_ms: float | None = None, **needs: float) -> ServiceSpec:
    resources = Resources.model_validate({"cpu": 1, "memory": GI, **needs})
    return ServiceSpec(name="plates", version="1.0.0", region="r", resources=resources, latency_ms=latency_ms)


def names(nodes: tuple[Node, ...]) -> list[str]:
    return [node.name for node in nodes]


def running(name: str, on: Node, **needs: float) -> InstanceStatus:
    resources = Resources.model_validate({"cpu": 1, "memory": GI, **needs})
    plan = InstancePlan(service=name, revision="1", node=on, broker="http://b", resources=resources)
    return InstanceStatus(plan=plan, state="running")


@pytest.mark.parametrize(
    ("capacity", "needs", "reason"),
    [
        (Capacity(cpu=2), {"cpu": 3}, "2 of its 2 cores are free, 3 are asked for"),
        (Capacity(memory=GI), {"memory": 2 * GI}, "1024 MiB of its 1024 are free, 2048 are asked for"),
        (Capacity(), {"gpu": 1}, "it is not known to have a GPU"),
        (Capacity(gpu=1), {"gpu": 2}, "1 of its 1 GPUs are free, 2 are asked for"),
    ],
)
def test_a_node_that_lacks_something_is_passed_over_and_the_reason_told(
    capacity: Capacity, needs: dict[str, float], reason: str
) -> None:
    with pytest.raises(PlacementError, match=reason):
        place(service(**needs), [node("a", capacity=capacity)])


def test_what_others_run_there_is_not_free_but_the_services_own_instances_are() -> None:
    full = node("a", capacity=Capacity(cpu=2, memory=4 * GI))
    instances = [running("faces", full), running("plates", full), running("doors", full)]
    taken = taken_by_others(instances, "plates")
    assert taken == {"a": Resources(cpu=2, memory=2 * GI)}
    with pytest.raises(PlacementError, match="0 of its 2 cores"):
        place(service(), [full], taken=taken)
    assert place(service(), [full], taken=taken_by_others(instances[:2], "plates")) == (full,)


def release(count: int, *nodes: Node, cpu: float = 1.0) -> Release:
    return Release(image=ServiceImage("r:1", "sha256:0", service(cpu=cpu), "1"), nodes=nodes, broker="b", count=count)


def dealt(release: Release) -> str:
    return "".join(plan.node.name for plan in release.plans())


def test_instances_go_in_turn_to_the_nodes_that_have_room_for_one_more() -> None:
    small, large = node("a", capacity=Capacity(cpu=2)), node("b", capacity=Capacity(cpu=4, memory=4 * GI))
    others = [running("pose", large)]  # takes two cores and 2 GiB
    assert dealt(with_room(release(4, small, large), others)) == "abab"
    assert dealt(with_room(release(3, small, large, cpu=2), others)) == "ab", "there is no room for more"
    assert dealt(with_room(release(5, small, node("c")), others)) == "acacc", "nobody has said what c has"
    assert lack(with_room(release(5, small, node("c")), others), others) is None


def test_what_does_not_fit_is_said_node_by_node() -> None:
    nodes = node("a", capacity=Capacity(cpu=2)), node("b", capacity=Capacity(cpu=9, memory=3 * GI))
    lacking = lack(with_room(release(6, *nodes), ()), ())
    assert str(lacking) == (
        "6 instances of plates don't fit, but 5 do (a: 0 of its 2 cores are free, 1 are asked for; "
        "b: 0 MiB of its 3072 are free, 1024 are asked for)"
    )


def test_a_node_that_was_chosen_though_it_is_full_runs_one() -> None:
    full = node("a", capacity=Capacity(cpu=0.5))
    assert dealt(with_room(release(1, full), ())) == "a"
    assert lack(with_room(release(2, full), ()), ()) is not None


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 15))
def test_no_node_gets_more_than_it_has_room_for_and_nobody_is_left_out(rooms: list[int], count: int) -> None:
    nodes = [node(f"n{index}", capacity=Capacity(cpu=cpu or 0.5)) for index, cpu in enumerate(rooms)]
    made = with_room(release(count, *nodes), ())
    found = Counter(plan.node.name for plan in made.plans())
    assert sum(found.values()) == min(count, sum(max(room, 1) for room in rooms)) == min(count, made.most or 0)
    assert all(found[f"n{index}"] <= max(room, 1) for index, room in enumerate(rooms))
    assert (lack(made, ()) is None) == (sum(found.values()) == count)


def test_fractions_of_cores_add_up() -> None:
    third = node("a", capacity=Capacity(cpu=0.3))
    assert place(service(cpu=0.2), [third], taken={"a": Resources(cpu=0.1)}) == (third,)


def test_a_named_node_is_taken_though_it_lacks_something_but_not_when_it_is_drained() -> None:
    small, drained = node("a", capacity=Capacity(cpu=0.5)), node("b", drained=True)
    assert place(service(), [small, drained], ["a"]) == (small,)
    with pytest.raises(PlacementError, match="b: it is drained"):
        place(service(), [small, drained], ["a", "b"])


def test_without_a_bound_on_latency_prices_do_not_count() -> None:
    nodes = [node("a", price=NodePrice(per_cpu_hour=9)), node("b"), node("c", drained=True)]
    assert names(place(service(), nodes)) == ["a", "b"]


def test_the_cheapest_node_that_reaches_all_in_time_is_enough() -> None:
    dear, cheap = node("a", 0, price=NodePrice(per_cpu_hour=2)), node("b", 50, price=NodePrice(per_cpu_hour=1))
    verdicts = explain(service(latency_ms=12), [dear, cheap])
    assert [(verdict.node.name, verdict.chosen) for verdict in verdicts] == [("a", False), ("b", True)]
    assert verdicts[0].reason == "not needed: b reaches its devices in 11.1 ms"
    assert verdicts[1].reason == "of the cheapest set, at 1 an hour, reaching devices around a, b within 12 ms"


def test_who_is_too_far_away_for_one_node_gets_another() -> None:
    nodes = [node("a", 0), node("b", 40), node("c", 500)]
    assert names(place(service(latency_ms=12), nodes)) == ["a", "c"]


def test_dear_traffic_outweighs_a_cheap_core() -> None:
    nodes = [
        node("a", 0, price=NodePrice(per_cpu_hour=1, per_gb=5)),
        node("b", 1, price=NodePrice(per_cpu_hour=3, per_gb=0.5)),
    ]
    assert names(place(service(latency_ms=12), nodes)) == ["b"]


def test_a_place_that_no_node_reaches_in_time_is_named() -> None:
    nodes = [node("a", 0, drained=True), node("b", 500)]
    with pytest.raises(PlacementError, match=r"devices around a within 12 ms: from the nearest, b, it takes 20\.5 ms"):
        place(service(latency_ms=12), nodes)


def test_a_node_without_a_place_answers_only_its_own_devices() -> None:
    nodes = [node("a"), Node(name="b", region="r"), Node(name="everywhere")]
    assert names(place(service(latency_ms=12), nodes)) == ["a", "b"]


def test_where_no_node_is_of_the_region_one_that_covers_all_is_enough() -> None:
    assert names(place(service(latency_ms=12), [Node(name="x"), Node(name="y")])) in (["x"], ["y"])


def test_the_nearest_that_suits_takes_over_from_a_node_and_the_others_stay() -> None:
    near, far = node("b", 10), node("c", 900)
    nodes = [node("a", 0), near, far, node("d", 20, capacity=Capacity(cpu=0.5)), node("e", 30)]
    assert names(move(service(), nodes, [nodes[0], far], "a")) == ["c", "b"]
    assert names(move(service(), nodes, [nodes[0], near, far, nodes[4]], "a")) == ["b", "c", "e"]
    assert names(move(service(), nodes, nodes[:1], "a")) == ["b"]


def test_a_service_that_no_other_node_can_take_stays() -> None:
    nodes = [node("a"), node("b", drained=True), node("c", region="other")]
    with pytest.raises(PlacementError, match=r"on a alone, .*\(b: it is drained; c: it covers other, not r\)"):
        move(service(), nodes, nodes[:1], "a")


def test_a_nodes_capacity_and_draining_do_not_change_what_runs_there() -> None:
    before, after = node("a"), node("a", capacity=Capacity(cpu=2), drained=True, mirror="m:5000")
    assert running("plates", before).id == running("plates", after).id
    assert running("plates", before).id != running("plates", node("a", host="edge.example")).id


Grid = st.integers(0, 6)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[float], list[list[float]], list[list[float]], float]:
    nodes, places = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    opening = [float(draw(Grid)) for _ in range(nodes)]
    traffic = [float(draw(Grid)) for _ in range(nodes)]
    rtt_ms = [[draw(st.sampled_from([10.0, 20.0, 30.0, inf])) for _ in range(nodes)] for _ in range(places)]
    return opening, [traffic] * places, rtt_ms, draw(st.sampled_from([10.0, 25.0, 30.0]))


def worth(opened: tuple[int, ...], problem: tuple[list[float], list[list[float]], list[list[float]], float]) -> object:
    """(money, nodes, round trips) of a set of nodes, the less the better; None if it leaves a place out."""
    opening, serving, rtt_ms, within_ms = problem
    money, total_ms = sum(opening[node] for node in opened), 0.0
    for costs, rtts in zip(serving, rtt_ms, strict=True):
        ways = [(costs[node], rtts[node]) for node in opened if rtts[node] <= within_ms]
        if not ways:
            return None
        money, total_ms = money + min(ways)[0], total_ms + min(ways)[1]
    return money, len(opened), total_ms


@given(problems())
def test_the_cover_is_the_best_of_all_sets(
    problem: tuple[list[float], list[list[float]], list[list[float]], float],
) -> None:
    opening, serving, rtt_ms, within_ms = problem
    columns = range(len(opening))
    sets = [opened for size in range(1, len(opening) + 1) for opened in combinations(columns, size)]
    best = min((value for opened in sets if (value := worth(opened, problem)) is not None), default=None)  # type: ignore[type-var]
    cover = cheapest_cover(opening, serving, rtt_ms, within_ms)
    if best is None:
        assert cover is None
    else:
        assert cover is not None
        assert worth(cover.opened, problem) == pytest.approx(best)
        assert cover.per_hour == pytest.approx(best[0], abs=0.01)  # type: ignore[index]
