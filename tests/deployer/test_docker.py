"""A service's life in containers: a real engine, a real registry, a real broker, the real command."""

import hashlib
import os
import secrets
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from astraea.deployer.engines import InstancePlan
from astraea.deployer.engines.docker import DockerEngine
from astraea.deployer.errors import EngineError
from astraea.deployer.nodes import IMPLICIT_NODE, Node, NodeStore
from astraea.deployer.packaging.building import find_container
from astraea.deployer.registry import Reference
from astraea.deployer.status import InstanceView, look
from astraea.protocol import Resources

from .conftest import GREET, READS_SETTINGS, Cli, Eventually, TlsBroker, WriteService
from .container_engine import base_image, containers
from .load import Load

BROKEN = "raise RuntimeError('no such camera')\n"


def views() -> list[InstanceView]:
    return look(DockerEngine(NodeStore().all() or (IMPLICIT_NODE,)))


def test_a_services_whole_life_in_containers(
    docker: Any, cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    NodeStore().add(Node(name="hz-1", region="hangzhou"))
    NodeStore().add(Node(name="sh-1", region="shanghai"))
    folder = write_service(keys="region: hangzhou\nresources: {cpu: 2, memory: 512Mi}\n")
    assert "started" in cli("deploy", folder).stdout
    first = views()
    assert [(view.node, view.ready, view.offered) for view in first] == [("hz-1", True, True)]
    reply = httpx.post(
        f"{first[0].url}/predict", content="you", headers={"content-type": "text/plain"}, trust_env=False
    )
    assert reply.json() == {"hello": "you"}
    assert all(
        (made.attrs["HostConfig"]["Memory"], made.attrs["HostConfig"]["ReadonlyRootfs"], made.attrs["Config"]["User"])
        == (512 * 2**20, True, "65532:65532")
        for made in containers(docker)
    )

    again = cli("deploy", folder).stdout
    assert "started" not in again
    assert views() == first

    assert first[0].pid is not None
    os.kill(first[0].pid, signal.SIGKILL)
    eventually(lambda: views()[0].restarts == 1 and views()[0].ready and views()[0].offered, timeout_s=60)
    assert views()[0].url == first[0].url
    assert "answers at" in cli("logs", "hello", "--node", "hz-1").stdout

    write_service(handler=f"{GREET}# better\n", version="1.1.0", keys="region: hangzhou\n")
    with Load(broker) as load:
        cli("deploy", folder)
    assert load.answers > 0
    assert load.failures == []
    assert all(view.revision.startswith("1.1.0-") for view in views())

    before = views()
    write_service(handler=BROKEN, version="1.2.0", keys="region: hangzhou\n")
    failed = cli("deploy", folder, status=1).stderr
    assert "on node hz-" in failed
    assert "no such camera" in failed
    assert views() == before

    assert "stopped" in cli("remove", "hello").stdout
    assert containers(docker) == []


def test_a_secret_reaches_the_instance_and_is_seen_nowhere_else(
    docker: Any, cli: Cli, broker: str, *, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    secret = secrets.token_hex(16)
    (home / "camera").write_text(secret)
    (home / "env").write_text("CITY=Hangzhou\n")
    folder = write_service(handler=READS_SETTINGS)
    deployed = cli("deploy", folder, "--secret", "camera=camera", "--env-file", "env")
    told = {"digest": hashlib.sha256(secret.encode()).hexdigest(), "writable": "False", "city": "Hangzhou"}
    assert ask(views()[0].url) == told
    (container,) = containers(docker)
    seen = [
        container.attrs,
        container.logs(),
        container.image.attrs,
        container.image.history(),
        docker.volumes.list(),
        deployed.stdout + deployed.stderr,
        cli("status", "--json").stdout,
        *[path.read_bytes() for path in (home / "state").rglob("*") if path.is_file()],
    ]
    assert secret not in str(seen)

    os.kill(views()[0].pid or 0, signal.SIGKILL)
    eventually(lambda: views()[0].restarts == 1 and views()[0].ready, timeout_s=60)
    assert ask(views()[0].url) == told

    (home / "camera").write_text("another")
    assert "started" in cli("deploy", folder, "--secret", "camera=camera", "--env-file", "env").stdout
    assert ask(views()[0].url)["digest"] == hashlib.sha256(b"another").hexdigest()
    volumes = [mount["Name"] for mount in containers(docker)[0].attrs["Mounts"] if mount["Type"] == "volume"]
    cli("remove", "hello")
    assert not {volume.name for volume in docker.volumes.list()}.intersection(volumes)


def ask(url: str | None) -> dict[str, str]:
    headers = {"content-type": "text/plain"}
    reply = httpx.post(f"{url}/predict", content="camera", headers=headers, trust_env=False)
    told: dict[str, str] = reply.raise_for_status().json()
    return told


def test_an_authority_that_is_given_as_a_secret_is_trusted_in_the_container(
    docker: Any,
    tls_broker: TlsBroker,
    cli: Cli,
    *,
    home: Path,
    write_service: WriteService,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    (home / "authorities").write_text(usual + tls_broker.certificate.read_text())
    (home / "service.env").write_text("SSL_CERT_FILE=/run/secrets/ca\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "authorities"))
    deploy = ("deploy", write_service(), "--broker", tls_broker.url)
    assert "CERTIFICATE_VERIFY_FAILED" in cli(*deploy, "--timeout", "10", status=1).stderr
    cli(*deploy, "--secret", "ca=authorities", "--env-file", "service.env")
    eventually(lambda: [view.offered for view in views()] == [True])


def test_a_gpu_is_asked_of_the_engine_which_says_when_it_has_none(
    docker: Any, cli: Cli, broker: str, write_service: WriteService
) -> None:
    name = f"{os.environ['ASTRAEA_REGISTRY']}/hello:1.0.0"
    cli("build", write_service(), "--push", name, "--base", base_image())
    image = find_container(Reference.parse(name))
    image = image._replace(spec=image.spec.model_copy(update={"resources": Resources(gpu=1)}))
    plan = InstancePlan(service="hello", revision=image.revision, node=IMPLICIT_NODE, broker=broker)
    with pytest.raises(EngineError, match="could not select device driver") as refused:
        DockerEngine([IMPLICIT_NODE]).start(plan, image)
    assert "container toolkit" in str(refused.value.hint)
    (request,) = containers(docker)[0].attrs["HostConfig"]["DeviceRequests"]
    assert (request["Count"], request["Capabilities"]) == (1, [["gpu"]])


def test_a_container_of_someone_elses_is_left_alone(
    docker: Any, cli: Cli, broker: str, write_service: WriteService
) -> None:
    name = f"{os.environ['ASTRAEA_REGISTRY']}/hello:1.0.0"
    cli("build", write_service(), "--push", name, "--base", base_image())
    image = find_container(Reference.parse(name))
    plan = InstancePlan(service="hello", revision=image.revision, node=IMPLICIT_NODE, broker=broker)
    foreign = docker.containers.create(base_image(), name=plan.id)
    try:
        assert "is not Astraea's" in cli("deploy", name, status=1).stderr
        foreign.reload()
        assert foreign.status == "created"
    finally:
        foreign.remove(force=True)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("status",), "no container engine answers at unix:///nowhere/docker.sock", "docker info"),
        (("deploy", "service"), "no container engine answers", "docker info"),
    ],
)
def test_an_engine_that_is_away_is_named(
    cli: Cli,
    write_service: WriteService,
    monkeypatch: pytest.MonkeyPatch,
    *,
    arguments: tuple[str, ...],
    message: str,
    hint: str,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    write_service()
    failed = cli(*arguments, "--engine", "docker", status=1).stderr
    assert message in failed
    assert hint in failed
