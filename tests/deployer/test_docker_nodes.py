"""Containers on nodes with engines of their own, one of which has trouble: real engines, a real registry and broker."""

import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest

from astraea.deployer.engines.docker import DockerEngine
from astraea.deployer.engines.launch import PLAN_LABEL
from astraea.deployer.nodes import Node, NodeStore
from astraea.deployer.oci import ImageLayout, Manifest
from astraea.deployer.registry import Reference, Registry
from astraea.deployer.status import InstanceView, look
from tests.conftest import need

from .conftest import BRIDGE, GREET, Cli, Eventually, WriteService
from .container_engine import base_image, client, dead_engine, engine_address, swarm_address
from .registry_server import blobs_asked_for, running_registry


@pytest.fixture
def nodes(cli: Cli, kept_layout: ImageLayout, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Node, ...]]:
    """The three engines that are also a swarm's, as nodes known to the command; no container of ours stays there."""
    engine_address()
    swarm_address()
    monkeypatch.setenv("ASTRAEA_ENGINE", "docker")
    monkeypatch.setenv("ASTRAEA_BASE", base_image())
    engines = os.environ["ASTRAEA_SWARM_SOCKETS"].split()
    hosts = os.environ["ASTRAEA_SWARM_ADDRS"].split()
    made = tuple(
        Node(name=f"n{number}", region="hz" if number == 1 else "sh", host=host, engine=engine, insecure=True)
        for number, (host, engine) in enumerate(zip(hosts, engines, strict=True), 1)
    )
    for node in made:
        NodeStore().add(node)
    yield made
    for engine in engines:
        with client(engine) as reached:
            for container in reached.containers.list(all=True, filters={"label": PLAN_LABEL}):
                container.remove(force=True)


def views(nodes: tuple[Node, ...]) -> list[InstanceView]:
    return look(DockerEngine(nodes))


def test_a_node_that_cannot_pull_fails_a_deployment_that_the_next_one_completes(
    nodes: tuple[Node, ...], swarm_broker: str, cli: Cli, write_service: WriteService
) -> None:
    folder = write_service(handler=f"{GREET}# {secrets.token_hex(8)}\n")  # no node has seen it
    name = f"{os.environ['ASTRAEA_REGISTRY']}/hello:1.0.0"
    cli("build", folder, "--push", name, "--base", base_image())
    cli("deploy", name, "--node", "n1", "--node", "n3")
    before = views(nodes)
    assert [view.node for view in before] == ["n1", "n3"]

    forget_application(Reference.parse(name))
    failed = cli("deploy", name, status=1).stderr
    assert "node n2: the container engine refuses" in failed
    assert views(nodes) == before

    cli("build", folder, "--push", name, "--base", base_image())
    assert cli("deploy", name).stdout.count("started") == 1
    assert [(view.node, view.offered) for view in views(nodes)] == [("n1", True), ("n2", True), ("n3", True)]


def forget_application(reference: Reference) -> None:
    """Lose the layer of the service's own files: only who has pulled it already can start it."""
    with Registry(reference.host) as registry:
        manifest = Manifest.model_validate_json(registry.manifest(reference).content)
    url = f"http://{reference.host}/v2/{reference.repository}/blobs/{manifest.layers[-1].digest}"
    assert httpx.delete(url, trust_env=False).is_success


def test_a_node_whose_engine_is_away_is_named_and_the_rest_goes_on(
    nodes: tuple[Node, ...], swarm_broker: str, cli: Cli, write_service: WriteService
) -> None:
    NodeStore().add(Node(name="n4", region="hz", host="10.99.0.14", engine="tcp://127.0.0.1:9"))
    deployed = cli("deploy", write_service(keys="region: hz\n"), "--registry", os.environ["ASTRAEA_REGISTRY"])
    assert "left out: node n4: no container engine answers at tcp://127.0.0.1:9" in deployed.stderr
    shown = cli("status")
    assert [shown.stdout.count(f" {name} ") for name in ("n1", "n4")] == [1, 0]
    assert "left out: node n4" in shown.stderr
    assert "n4" in cli("deploy", "service", "--node", "n4", status=1).stderr
    assert "stopped" in cli("remove", "hello").stdout
    assert views(nodes) == []


def test_logs_are_followed_while_an_engine_is_away_and_on_it_again_when_it_is_back(
    nodes: tuple[Node, ...], swarm_broker: str, cli: Cli, write_service: WriteService, eventually: Eventually
) -> None:
    folder = write_service(handler=TICKING + GREET)
    cli("deploy", folder, "--node", "n1", "--node", "n2", "--registry", os.environ["ASTRAEA_REGISTRY"])
    with cli.start("logs", "hello", "-f", "--tail", "0") as following:
        lines, said = heard(following.stdout), heard(following.stderr)

        def follows(*names: str) -> None:
            before = len(lines)
            eventually(lambda: {*names} <= {line.partition(" ")[0] for line in lines[before:]}, timeout_s=60)

        follows("n1", "n2")
        with dead_engine(2) as start:
            eventually(lambda: "left out: node n2" in " ".join("".join(said).split()), timeout_s=60)
            follows("n1")
            start()
            eventually(lambda: "node n2 is back\n" in said, timeout_s=60)
        follows("n1", "n2")
        following.send_signal(signal.SIGINT)
        following.wait(timeout=20)
    assert "Traceback" not in "".join(said)


TICKING = """import threading, time


def tick() -> None:
    for number in range(10**9):
        print("tick", number, flush=True)
        time.sleep(0.2)


threading.Thread(target=tick, daemon=True).start()
"""


def heard(stream: IO[str] | None) -> list[str]:
    """The lines of a process's output, as they come."""
    lines: list[str] = []

    def read() -> None:
        for line in stream or ():
            lines.append(line)  # noqa: PERF402 - each as it comes

    threading.Thread(target=read, daemon=True).start()
    return lines


def test_a_second_node_of_a_region_pulls_from_next_door(
    nodes: tuple[Node, ...],
    swarm_broker: str,
    cli: Cli,
    *,
    home: Path,
    write_service: WriteService,
    eventually: Eventually,
) -> None:
    need("registry-server", shutil.which("docker-registry") is not None, "there is no docker-registry")
    registry = os.environ["ASTRAEA_REGISTRY"]
    name = f"{registry}/hello:1.0.0"
    model = secrets.token_hex(500_000)
    cli(
        "build",
        write_service(handler=f"{GREET}# {secrets.token_hex(8)}\n", weights=model),
        "--push",
        name,
        "--base",
        base_image(),
    )
    (upstream := home / "upstream").mkdir()
    (mirror := home / "mirror").mkdir()
    with (
        running_registry(upstream, mirrors=registry) as far,
        running_registry(mirror, mirrors=far, address=BRIDGE) as near,
    ):
        for node in nodes:
            NodeStore().remove(node.name)
            NodeStore().add(node.model_copy(update={"mirror": near}))
        cli("deploy", name, "--node", "n1")
        assert sum(blob.sent_bytes for blob in blobs_asked_for(upstream)) > len(model) / 2
        first = {blob.digest for blob in blobs_asked_for(mirror)}
        eventually(lambda: first <= {f"sha256:{path.parent.name}" for path in mirror.rglob("data")})
        before = len(blobs_asked_for(upstream))
        cli("deploy", name, "--node", "n1", "--node", "n2")
        pulled = [blob.digest for blob in blobs_asked_for(mirror)]
        assert {digest for digest in pulled if pulled.count(digest) == 2} == first
        fetched = {blob.digest for blob in blobs_asked_for(upstream)[before:]}
        assert not fetched & first, "what one node has pulled, the next gets from next door"
    assert [view.node for view in views(nodes)] == ["n1", "n2"]

    away = cli("deploy", name, "--node", "n1", "--node", "n2", "--node", "n3")
    assert "the mirror" in away.stderr
    assert [(view.node, view.offered) for view in views(nodes)] == [("n1", True), ("n2", True), ("n3", True)]
