"""A service's life in a Docker Swarm of three nodes: a real manager, registry and broker, the real command."""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from astraea.deployer.controller import Keeper
from astraea.deployer.desired import DesiredStore
from astraea.deployer.engines.docker import SwarmEngine
from astraea.deployer.engines.launch import PLAN_LABEL
from astraea.deployer.health import new_client
from astraea.deployer.oci import ImageLayout
from astraea.deployer.status import InstanceView, look

from .conftest import GREET, READS_SETTINGS, Cli, Eventually, WriteService, token_of
from .container_engine import base_image, client, cut_off, engine_address, swarm_address
from .load import Load

_FASTER = 10
"""The controller's time goes by so much faster: a node is given up after half a minute."""

BROKEN = "raise RuntimeError('no such camera')\n"


@pytest.fixture
def swarm(cli: Cli, kept_layout: ImageLayout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the manager; no service of ours is there before and after, and the command takes this swarm."""
    engine_address()
    address = swarm_address()
    monkeypatch.setenv("DOCKER_HOST", address)
    monkeypatch.setenv("ASTRAEA_ENGINE", "swarm")
    monkeypatch.setenv("ASTRAEA_BASE", base_image())
    with client(address) as manager:
        for node in manager.nodes.list():
            spec = node.attrs["Spec"]
            node.update(
                {**spec, "Labels": {name: spec["Labels"][name] for name in spec["Labels"] if name != "insecure"}}
            )
        yield manager
        for service in services(manager):
            service.remove()
        for secret in manager.secrets.list(filters={"label": "astraea.instance"}):
            secret.remove()


def services(manager: Any) -> list[Any]:
    found: list[Any] = manager.services.list(filters={"label": PLAN_LABEL})
    return found


def views() -> list[InstanceView]:
    return look(SwarmEngine())


def test_a_services_whole_life_in_a_swarm(
    swarm: Any, swarm_broker: str, cli: Cli, write_service: WriteService, eventually: Eventually
) -> None:
    assert "shanghai" in cli("node", "list").stdout
    folder = write_service(keys="region: hangzhou\n")
    cli("deploy", folder)
    first = views()
    assert [(view.node, view.ready, view.offered) for view in first] == [("edge-1", True, True), ("edge-2", True, True)]
    assert "started" not in cli("deploy", folder).stdout
    # A manager that has just begun to ask a node for logs may have none yet.
    eventually(lambda: "answers at" in cli("logs", "hello", "--node", "edge-2").stdout)

    write_service(handler=f"{GREET}# better\n", version="1.1.0", keys="region: hangzhou\n")
    with Load(swarm_broker) as load:
        cli("deploy", folder)
    assert load.answers > 0
    assert load.failures == []
    second = views()
    assert all(view.revision.startswith("1.1.0-") for view in second)

    write_service(handler=BROKEN, version="1.2.0", keys="region: hangzhou\n")
    failed = cli("deploy", folder, status=1).stderr
    assert "on node edge-" in failed
    assert "no such camera" in failed
    assert [view.id for view in views()] == [view.id for view in second]

    assert json.loads(cli("status", "--json").stdout)[0]["service"] == "hello"
    cli("remove", "hello")
    assert services(swarm) == []


def test_a_swarms_nodes_tell_what_they_have_and_are_drained_by_name(
    swarm: Any, swarm_broker: str, cli: Cli, write_service: WriteService
) -> None:
    (first,) = (node for node in swarm.nodes.list() if node.attrs["Description"]["Hostname"] == "edge-1")
    labels = first.attrs["Spec"]["Labels"]
    first.update({**first.attrs["Spec"], "Labels": {**labels, "cpu-price": "0.04", "lat": "30.3", "lon": "120.2"}})
    described = {node.name: node for node in SwarmEngine().nodes()}
    assert described["edge-1"].price.per_cpu_hour == 0.04
    assert (described["edge-1"].capacity.cpu or 0) >= 1
    assert (described["edge-1"].capacity.memory or 0) > 2**28
    try:
        cli("deploy", write_service(keys="region: hangzhou\n"), "--node", "edge-1")
        assert "hello runs on edge-2" in cli("node", "drain", "edge-1").stdout
        assert [(view.node, view.offered) for view in views()] == [("edge-2", True)]
        assert "edge-1: it is drained" in cli("deploy", "service", "--node", "edge-1", status=1).stderr
    finally:
        cli("node", "drain", "edge-1", "--undo")
        first.reload()
        first.update({**first.attrs["Spec"], "Labels": labels})
    assert first.attrs["Spec"]["Availability"] == "active"
    assert "the nodes of swarm are its own" in cli("node", "remove", "edge-1", status=1).stderr


def test_another_node_stands_in_for_one_that_a_swarm_has_lost_until_it_is_back(
    swarm: Any, swarm_broker: str, cli: Cli, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service(keys="region: hangzhou\n"))
    before = [view.id for view in views()]
    with new_client() as asking:
        keeper = Keeper("hello", DesiredStore(), lambda _engine: SwarmEngine(), asking)

        def offered_on(*nodes: str) -> bool:
            keeper.step(_FASTER * time.monotonic())
            return [view.node for view in views() if view.offered] == [*nodes]

        with Load(swarm_broker) as load, cut_off(2) as connect:
            eventually(lambda: offered_on("edge-1", "edge-1"), timeout_s=90)
            answered = load.answers
            eventually(lambda: load.answers > answered)
            connect()
            eventually(lambda: offered_on("edge-1", "edge-2"), timeout_s=90)
    assert [view.id for view in views()] == before


def test_a_swarm_keeps_a_services_secrets_while_it_runs_there(
    swarm: Any, swarm_broker: str, cli: Cli, home: Path, write_service: WriteService
) -> None:
    secret = secrets.token_hex(16)
    (home / "camera").write_text(secret)
    (home / "env").write_text("CITY=Hangzhou\n")
    cli(
        "deploy",
        write_service(handler=READS_SETTINGS),
        "--node",
        "edge-1",
        "--secret",
        "camera=camera",
        "--env-file=env",
    )
    headers = {"content-type": "text/plain"}
    url = f"{views()[0].url}/predict"
    assert httpx.post(url, content="camera", headers=headers, trust_env=False).status_code == 401
    reply = httpx.post(url, content="camera", headers=headers | token_of(swarm_broker), trust_env=False)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert reply.json() == {"digest": digest, "writable": "False", "city": "Hangzhou"}
    (service,) = services(swarm)
    kept = swarm.secrets.list(filters={"label": "astraea.instance"})
    assert len(kept) == 1
    assert secret not in str([service.attrs, service.tasks(), kept[0].attrs, cli("logs", "hello").stdout])
    cli("remove", "hello")
    assert swarm.secrets.list(filters={"label": "astraea.instance"}) == []
