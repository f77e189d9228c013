"""The list of nodes, and which of them a service is placed on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.deployer.errors import NodeError, PlacementError
from astraea.deployer.nodes import IMPLICIT_NODE, Node, NodeStore
from astraea.deployer.placement import place
from astraea.protocol import Location, ServiceSpec

HANGZHOU = Node(name="hz-1", region="hangzhou", location=Location(lat=30.27, lon=120.15))
SHANGHAI = Node(name="sh-1", region="shanghai", location=Location(lat=31.23, lon=121.47), host="edge.example")


def service(region: str | None = None) -> ServiceSpec:
    return ServiceSpec(name="plates", version="1.0.0", region=region)


def test_nodes_are_kept_in_the_order_they_were_added() -> None:
    NodeStore().add(SHANGHAI)
    NodeStore().add(HANGZHOU)
    assert NodeStore().all() == (SHANGHAI, HANGZHOU)


def test_the_list_of_nodes_is_plain_to_read_and_lies_in_the_users_configuration(home: Path) -> None:
    NodeStore().add(HANGZHOU)
    assert (home / "config" / "astraea" / "nodes.yaml").read_text() == (
        "- name: hz-1\n  region: hangzhou\n  location:\n    lat: 30.27\n    lon: 120.15\n"
    )


def test_a_removed_node_is_gone_and_the_others_stay() -> None:
    NodeStore().add(SHANGHAI)
    NodeStore().add(HANGZHOU)
    NodeStore().remove("sh-1")
    assert NodeStore().all() == (HANGZHOU,)


def test_a_name_is_given_once() -> None:
    NodeStore().add(HANGZHOU)
    with pytest.raises(NodeError, match="'hz-1' already"):
        NodeStore().add(HANGZHOU)


def test_an_unknown_node_is_refused_with_those_there_are() -> None:
    NodeStore().add(HANGZHOU)
    with pytest.raises(NodeError, match="no node 'hz-2'") as refused:
        NodeStore().remove("hz-2")
    assert refused.value.hint == "the nodes are hz-1"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("- name: hz-1\n  regoin: x\n", "0.regoin"), ("- name: [", "can't be read"), ("- name: a/b\n", "0.name")],
)
def test_a_damaged_list_says_what_is_wrong(home: Path, content: str, complaint: str) -> None:
    store = NodeStore()
    store.path.parent.mkdir(parents=True)
    store.path.write_text(content)
    with pytest.raises(NodeError, match=complaint):
        store.all()


def test_nodes_added_at_the_same_time_are_all_kept() -> None:
    names = [f"node-{number}" for number in range(20)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: NodeStore().add(Node(name=name)), names))
    assert sorted(node.name for node in NodeStore().all()) == sorted(names)


def test_a_service_runs_on_the_nodes_of_its_region() -> None:
    assert place(service("hangzhou"), [SHANGHAI, HANGZHOU]) == (HANGZHOU,)


def test_a_service_of_no_region_runs_everywhere() -> None:
    assert place(service(), [SHANGHAI, HANGZHOU]) == (SHANGHAI, HANGZHOU)


def test_the_implicit_node_suits_any_region() -> None:
    assert place(service("hangzhou"), [IMPLICIT_NODE]) == (IMPLICIT_NODE,)


def test_named_nodes_are_taken_whatever_their_region_each_once() -> None:
    assert place(service("hangzhou"), [SHANGHAI, HANGZHOU], ["sh-1", "sh-1"]) == (SHANGHAI,)


def test_no_fitting_node_is_explained_node_by_node() -> None:
    with pytest.raises(PlacementError, match=r"sh-1: it covers shanghai, not beijing; hz-1: it covers hangzhou, not"):
        place(service("beijing"), [SHANGHAI, HANGZHOU])


_REGIONS = st.sampled_from(["a", "b", "c", None])


@given(st.lists(_REGIONS, unique=False, max_size=6), _REGIONS)
def test_placement_takes_all_that_cover_the_region_and_no_other(regions: list[str | None], wanted: str | None) -> None:
    nodes = [Node(name=f"n{number}", region=region) for number, region in enumerate(regions)]
    fitting = tuple(node for node in nodes if wanted is None or node.region in (wanted, None))
    if fitting:
        assert place(service(wanted), nodes) == fitting
    else:
        with pytest.raises(PlacementError):
            place(service(wanted), nodes)
