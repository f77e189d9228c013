"""A node is emptied while devices go on asking: real servers, a real broker, the real command."""

import httpx

from astraea.deployer.nodes import NodeStore

from .conftest import Cli, WriteService, instances
from .load import Load


def nodes() -> list[str]:
    return sorted(instance.node for instance in instances())


def test_a_drained_nodes_services_move_to_the_nearest_that_suits_and_no_request_fails(
    cli: Cli, broker: str, write_service: WriteService
) -> None:
    for name, place in (("hz-1", "30.27,120.15"), ("hz-2", "30.20,120.20"), ("hz-3", "30.90,120.90")):
        cli("node", "add", name, "--region", "hangzhou", "--at", place, "--cpus", "1", "--cpu-price", "0.04")
    cli("deploy", write_service(keys="region: hangzhou\nlatency_ms: 50\n"), "--node", "hz-1")
    listed = httpx.get(f"{broker}/v1/instances", params={"service": "hello"}, trust_env=False).json()
    assert [instance["price"]["per_hour"] for instance in listed] == [0.04]

    with Load(broker) as load:
        drained = cli("node", "drain", "hz-1").stdout
    assert "hello runs on hz-2" in drained
    assert load.answers > 0
    assert load.failures == []
    assert nodes() == ["hz-2"]
    assert "hz-1: it is drained" in cli("deploy", "service", "--node", "hz-1", status=1).stderr

    cli("node", "remove", "hz-1")
    cli("node", "drain", "hz-3")
    stuck = cli("node", "drain", "hz-2", status=1).stderr
    assert "hello runs on hz-2 alone, and no other node suits it (hz-3: it is drained)" in stuck
    assert nodes() == ["hz-2"]
    assert "node 'hz-2' runs hello" in cli("node", "remove", "hz-2", status=1).stderr

    cli("node", "drain", "hz-3", "--undo")
    assert "hello runs on hz-3" in cli("node", "drain", "hz-2").stdout
    assert [node.name for node in NodeStore().all() if node.drained] == ["hz-2"]
