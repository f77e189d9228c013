"""Deploying with a broker that asks for keys: a real broker, the real command."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import SecretStr

from astraea.deployer.engines import InstancePlan, InstanceStatus
from astraea.deployer.engines.docker import DockerEngine
from astraea.deployer.errors import BrokerError
from astraea.deployer.health import new_client, read_figures
from astraea.deployer.images import default_layout
from astraea.deployer.nodes import IMPLICIT_NODE, Node
from astraea.deployer.operator_auth import OperatorAuth
from astraea.deployer.operator_keys import keep_key, operator_keys
from astraea.deployer.status import look

from .conftest import GREET, Cli, WriteService, instances
from .container_engine import containers

PLAN = InstancePlan(service="hello", revision="1", node=Node(name="n"), broker="http://broker")


class ClosedBroker(NamedTuple):
    """A broker that asks for keys, and keys that it has made."""

    url: str
    admin: str

    def key(self, role: str) -> str:
        return str(self.make("keys", name=role, role=role)["key"])

    def make(self, what: str, **document: str) -> dict[str, str]:
        """Have the admin make something."""
        headers = {"authorization": f"Bearer {self.admin}"}
        reply = httpx.post(f"{self.url}/v1/{what}", json=document, headers=headers, trust_env=False)
        made: dict[str, str] = reply.raise_for_status().json()
        return made


@pytest.fixture
def broker_host() -> str:
    """Where the broker listens."""
    return "127.0.0.1"


@pytest.fixture
def closed(cli: Cli, home: Path, broker_host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClosedBroker]:
    """The command takes it by default; a node's key is in `node.key`."""
    options = ("--host", broker_host, "--port", "0", "--lease-s", "2", "--auth", "--store", home / "broker.db")
    with cli.start("broker", *options) as process:
        assert process.stdout is not None
        found = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert found is not None
        broker = ClosedBroker(found.group(), (home / "state" / "astraea" / "admin.key").read_text().strip())
        monkeypatch.setenv("ASTRAEA_BROKER", broker.url)
        (home / "node.key").write_text(broker.key("node"))
        yield broker
        process.terminate()
        process.communicate(timeout=20)


def login(cli: Cli, key: str) -> subprocess.CompletedProcess[str]:
    with cli.start("login") as process:
        out, err = process.communicate(key, timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_service_lives_with_a_broker_that_asks_for_keys(
    closed: ClosedBroker, cli: Cli, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = ("deploy", "service", "--secret", "broker-key=node.key")
    write_service()
    refused = cli(*deploy, status=1).stderr
    assert "asks for a key" in refused
    assert f"astraea login --broker {closed.url}" in refused
    assert instances() == []

    assert "does not know the key" in login(cli, "k000000000000.nonsense").stderr
    key = closed.key("deployer")
    kept = login(cli, f"{key}\n")
    assert kept.returncode == 0
    path = Path(kept.stdout.split()[-1])
    assert path.stat().st_mode & 0o777 == 0o600
    assert key not in kept.stdout

    cli(*deploy)
    assert '"offered": true' in cli("status", "--json").stdout
    write_service(version="1.1.0", handler=f"{GREET}# better\n")
    cli(*deploy, "--canary", "100", "--every", "1s")
    (after,) = instances()
    assert after.revision.startswith("1.1.0-")
    assert after.offered

    path.unlink()
    monkeypatch.setenv("ASTRAEA_OPERATOR_KEY", closed.key("viewer"))
    assert '"offered": true' in cli("status", "--json").stdout
    write_service(version="1.2.0")
    denied = cli(*deploy, "--canary", "100", "--every", "1s", status=1).stderr
    assert "does not let this key do that" in denied
    assert instances() == [after]


def test_instances_that_could_not_register_are_not_started(
    closed: ClosedBroker, cli: Cli, home: Path, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEA_OPERATOR_KEY", closed.key("deployer"))
    (home / "viewer.key").write_text(closed.key("viewer"))
    write_service()
    for options, wrong in [
        ((), "and instances get none"),
        (("--secret", "broker-key=viewer.key"), "and does not take the one that instances get"),
    ]:
        refused = cli("deploy", "service", *options, status=1).stderr
        assert f"the broker at {closed.url} asks for a node's key, {wrong}" in refused
        assert "--secret broker-key=FILE" in refused
    assert instances() == []
    assert not default_layout().root.exists(), "nothing was built"

    monkeypatch.setenv("ASTRAEA_BROKER_KEY", (home / "node.key").read_text())
    cli("deploy", "service")
    monkeypatch.delenv("ASTRAEA_BROKER_KEY")
    cli("deploy", write_service(version="1.1.0"))  # on the node whose agent has the key
    assert [view.offered for view in instances()] == [True]
    cli("node", "add", "other", "--region", "hangzhou", "--at", "30.27,120.15")
    assert "and instances get none" in cli("deploy", "service", "--node", "other", status=1).stderr


def test_containers_have_nothing_of_the_commands_environment_to_register_with(
    docker: Any,
    closed: ClosedBroker,
    cli: Cli,
    *,
    home: Path,
    write_service: WriteService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRAEA_OPERATOR_KEY", closed.key("deployer"))
    monkeypatch.setenv("ASTRAEA_BROKER_KEY", (home / "node.key").read_text())
    deploy = ("deploy", write_service(), "--registry", os.environ["ASTRAEA_REGISTRY"])
    assert "and instances get none" in cli(*deploy, status=1).stderr
    assert containers(docker) == []
    cli(*deploy, "--secret", "broker-key=node.key")
    assert [view.offered for view in look(DockerEngine([IMPLICIT_NODE]))] == [True]


def test_a_key_goes_to_its_broker_and_to_nobody_else() -> None:
    told: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append((str(request.url), request.headers.get("authorization")))
        return httpx.Response(200)

    auth = OperatorAuth({"http://Broker.example:80/at": SecretStr("secret")})
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        for url in (
            "http://broker.example/at/v1/instances",
            "http://broker.example/attic",
            "http://broker.example:81/at/",
        ):
            client.get(url)
    assert [key for _, key in told] == ["Bearer secret", None, None]


def test_the_key_of_the_environment_is_for_the_broker_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_key("http://one.example/", SecretStr("first"))
    monkeypatch.setenv("ASTRAEA_BROKER", "http://two.example")
    monkeypatch.setenv("ASTRAEA_OPERATOR_KEY", "second")
    found = {broker: key.get_secret_value() for broker, key in operator_keys().items()}
    assert found == {"http://one.example": "first", "http://two.example": "second"}
    assert "first" not in repr(operator_keys())


def test_instances_get_a_token_when_they_ask_and_never_the_key() -> None:
    asked: list[tuple[str, str, str | None]] = []
    good = "token-0"

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal good
        brought = request.headers.get("authorization")
        asked.append((request.url.host, str(request.url.path), brought))
        assert request.extensions["timeout"]["read"] == 3.0
        if request.url.host == "broker":
            if request.url.path != "/v1/services/hello/token":
                return httpx.Response(403)
            assert (request.method, request.url.query, brought) == ("POST", b"role=viewer", "Bearer secret")
            good = f"token-{len(asked)}"
            return httpx.Response(200, json={"token": good, "ttl_s": 900})
        return httpx.Response(200 if brought == f"Bearer {good}" else 401, text="figures")

    auth = OperatorAuth({"http://broker": SecretStr("secret")})
    instance = InstanceStatus(plan=PLAN, state="running", url="http://instance:1")
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth, timeout=3.0) as client:
        for _ in range(2):
            assert read_figures(client, instance) == "figures"
        assert [host for host, *_ in asked] == ["instance", "broker", "instance", "instance"]
        good = "another"  # that one is over now
        assert read_figures(client, instance) == "figures"
        assert [host for host, *_ in asked[4:]] == ["instance", "broker", "instance"]
        others = instance.model_copy(update={"plan": PLAN.model_copy(update={"service": "others"})})
        with pytest.raises(httpx.HTTPStatusError, match="403"):
            read_figures(client, others)
    assert {brought for host, _, brought in asked if host == "instance"} == {None, "Bearer token-2", "Bearer token-6"}


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_keys_that_do_not_read_are_reported(home: Path, content: str) -> None:
    path = keep_key("http://one.example", SecretStr("first"))
    path.write_text(content)
    with pytest.raises(BrokerError, match="can't be read"):
        new_client()


@pytest.mark.parametrize("key", ["", "two words", "schlüssel"])
def test_what_can_be_no_key_is_refused(monkeypatch: pytest.MonkeyPatch, cli: Cli, key: str) -> None:
    assert "no key" in login(cli, key).stderr
