"""Canaries and healing in containers: a real engine or swarm, registry and broker, the device's real client."""

import json
import time
from typing import Any

import pytest

from astraea.deployer.controller import Keeper
from astraea.deployer.desired import DesiredStore
from astraea.deployer.engines.docker import DockerEngine
from astraea.deployer.engines.launch import PLAN_LABEL
from astraea.deployer.health import new_client
from astraea.deployer.nodes import IMPLICIT_NODE
from astraea.deployer.status import look

from .conftest import Cli, Eventually, WriteService
from .load import JPEG, Devices, Load
from .test_swarm import swarm  # noqa: F401 - a fixture

STEADY = """
import time
from astraea.edge_server import Image
from astraea.protocol import Detection
time.sleep(1)  # a revision that got devices before it is ready would refuse them
def predict(model: None, image: Image) -> list[Detection]:
    time.sleep(0.01)
    return []
"""
FAILING = "import itertools\ncalls = itertools.count()\n" + STEADY.replace(
    "    return", "    assert next(calls) % 4 < 3\n    return"
)


@pytest.fixture(params=["docker", "swarm"])
def engine_broker(request: pytest.FixtureRequest) -> str:
    """The URL of a broker that the instances of this kind of engine reach."""
    request.getfixturevalue(request.param)
    url: str = request.getfixturevalue("broker" if request.param == "docker" else "swarm_broker")
    return url


def test_a_canary_is_promoted_when_it_is_good_and_taken_back_when_it_is_not(
    cli: Cli, engine_broker: str, write_service: WriteService
) -> None:
    region = "region: shanghai\n"
    folder = write_service(handler=STEADY, keys=region)
    cli("deploy", folder)
    with Devices(engine_broker) as devices:
        write_service(handler=f"{STEADY}# better\n", version="1.1.0", keys=region)
        with Load(engine_broker, body=JPEG) as load:
            cli("deploy", folder, "--canary", "50", "--every", "2s")
        assert load.answers > 0
        assert load.failures == []
        assert revisions(cli) == ["1.1.0"]

        write_service(handler=FAILING, version="1.2.0", keys=region)
        with Load(engine_broker, body=JPEG):
            said = cli("deploy", folder, "--canary", "50", "--every", "60s", status=1).stderr
        assert "the new revision was taken back at 50 %" in said
        assert "requests failed" in said
    assert devices.frames > 0
    assert devices.unanswered == []
    assert revisions(cli) == ["1.1.0"]


def test_a_container_that_is_gone_comes_back(
    docker: Any,
    cli: Cli,
    broker: str,
    write_service: WriteService,
    eventually: Eventually,
) -> None:
    cli("deploy", write_service(handler=STEADY))
    (lost,) = docker.containers.list(all=True, filters={"label": PLAN_LABEL})
    lost.remove(force=True)
    with new_client() as client:
        keeper = Keeper("hello", DesiredStore(), lambda _name: DockerEngine([IMPLICIT_NODE]), client)

        def came_back() -> bool:
            keeper.step(time.monotonic())
            return [view.id for view in look(DockerEngine([IMPLICIT_NODE])) if view.offered] == [lost.name]

        eventually(came_back, timeout_s=60)


def revisions(cli: Cli) -> list[str]:
    return [view["revision"][:5] for view in json.loads(cli("status", "--json").stdout) if view["state"] == "running"]
