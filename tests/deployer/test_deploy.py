"""A service's life on process nodes: real servers, a real broker, the real command."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from astraea.deployer.desired import DesiredStore
from astraea.deployer.nodes import Capacity, Node, NodeStore
from astraea.deployer.status import InstanceView
from astraea.protocol import Candidates

from .conftest import GREET, Cli, Eventually, TlsBroker, WriteService, instances
from .load import Load

SLOW = f"import time\ntime.sleep(1)\n{GREET}"
BROKEN = "raise RuntimeError('no such camera')\n"


def get(url: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=5) as client:
        return client.get(url)


def offered(broker: str, service: str = "hello") -> list[str]:
    """Ids of the instances that the broker offers."""
    reply = get(f"{broker}/v1/services/{service}/candidates?limit=50")
    if reply.status_code == 404:
        return []
    return sorted(candidate.instance.id for candidate in Candidates.model_validate_json(reply.content).candidates)


def by_node(found: list[InstanceView]) -> dict[str, InstanceView]:
    return {instance.node: instance for instance in found}


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def agent_pid(home: Path, node: str) -> int:
    return int((home / "state" / "astraea" / "nodes" / node / "agent.pid").read_text())


def alive(pid: int | None) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_services_whole_life_on_two_nodes(
    cli: Cli, broker: str, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    cli("node", "add", "hz-1", "--region", "hangzhou", "--at", "30.27,120.15")
    cli("node", "add", "hz-2", "--region", "hangzhou", "--at", "30.20,120.20")
    cli("node", "add", "sh-1", "--region", "shanghai", "--at", "31.23,121.47")

    built = cli("build", write_service(keys="region: hangzhou\n")).stdout
    assert "hello:1.0.0-" in built
    cli("deploy", "service")
    first = by_node(instances())
    assert first.keys() == {"hz-1", "hz-2"}
    for instance in first.values():
        assert (instance.state, instance.ready, instance.offered) == ("running", True, True)
        assert get(f"{instance.url}/livez").is_success
    eventually(lambda: offered(broker) == sorted(instance.id for instance in first.values()))

    cli("deploy", "service")
    assert by_node(instances()) == first, "the same again changes nothing"

    kill(first["hz-1"].pid)
    eventually(lambda: (now := by_node(instances())["hz-1"]).restarts == 1 and now.ready)
    healed = by_node(instances())
    assert healed["hz-1"].url == first["hz-1"].url
    assert healed["hz-1"].pid != first["hz-1"].pid
    eventually(lambda: len(offered(broker)) == 2)

    logs = cli("logs", "hello", "--node", "hz-1").stdout
    assert f"hz-1 {first['hz-1'].id} | astraea: the instance ended: killed by SIGKILL" in logs
    assert "hz-2" not in logs

    cli("deploy", write_service(version="1.1.0", keys="region: hangzhou\n"))
    second = by_node(instances())
    shown = json.loads(cli("status", "hello", "--json").stdout)
    idle = {"requests_per_s": 0.0, "failures_per_s": 0.0}
    assert shown == [{**view.model_dump(), **idle} for view in second.values()]
    assert all(instance.revision.startswith("1.1.0-") for instance in second.values())
    assert offered(broker) == sorted(instance.id for instance in second.values())
    assert not any(alive(instance.pid) for instance in healed.values())

    agents = [agent_pid(home, node) for node in second]
    removed = cli("remove", "hello").stdout
    assert "hz-1" in removed
    assert cli("status").stdout == "nothing runs\n"
    assert not any(alive(instance.pid) for instance in second.values())
    eventually(lambda: not any(map(alive, agents)))
    assert list((home / "state" / "astraea" / "nodes").iterdir()) == []
    assert offered(broker) == []


def test_a_broker_with_a_certificate_of_its_own_is_trusted_when_it_is_named(
    tls_broker: TlsBroker, cli: Cli, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploying = ("deploy", write_service(), "--broker", tls_broker.url)
    refused = cli(*deploying, status=1).stderr
    assert "has a certificate that is not trusted here" in refused
    assert "SSL_CERT_FILE" in refused
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_broker.certificate))
    cli(*deploying)
    assert [view.offered for view in instances()] == [True]


def test_without_nodes_a_service_runs_on_this_machine_and_again_by_its_image(
    cli: Cli, broker: str, write_service: WriteService
) -> None:
    folder = write_service(keys="region: anywhere\n")
    cli("deploy", folder)
    (local,) = instances()
    assert local.node == "local"
    (folder / "handler.py").write_text(BROKEN)
    cli("deploy", "hello")
    assert instances() == [local]


def test_while_a_revision_is_replaced_there_is_always_someone_to_ask(
    cli: Cli, broker: str, write_service: WriteService
) -> None:
    cli("deploy", write_service(name="greeter"))
    with cli.start("deploy", write_service(name="greeter", version="2.0.0")) as upgrade:
        while upgrade.poll() is None:
            assert offered(broker, "greeter") != []
        upgrade.communicate()
    (instance,) = instances()
    assert instance.revision.startswith("2.0.0-")


def test_a_revision_that_does_not_start_leaves_the_old_one_serving(
    cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    before = instances()
    failed = cli("deploy", write_service(version="1.1.0", handler=BROKEN), status=1)
    assert "on node local the instance hello-" in failed.stderr
    assert "no such camera" in failed.stderr
    eventually(lambda: instances() == before)


def test_a_first_deployment_that_fails_leaves_nothing(
    cli: Cli, broker: str, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service(handler=BROKEN), status=1)
    eventually(lambda: list((home / "state" / "astraea" / "nodes").iterdir()) == [])


def test_a_node_that_is_no_longer_named_is_left(cli: Cli, broker: str, write_service: WriteService) -> None:
    for name in ("a", "b"):
        NodeStore().add(Node(name=name))
    cli("deploy", write_service(), "--node", "a")
    cli("deploy", "hello", "--node", "b")
    assert by_node(instances()).keys() == {"b"}


def test_an_agents_end_leaves_its_instances_serving_and_the_next_deployment_takes_them_up(
    cli: Cli, broker: str, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    (before,) = instances()
    kill(agent_pid(home, "local"))
    eventually(lambda: instances()[0].state == "unsupervised")
    assert get(f"{before.url}/readyz").is_success
    assert "`astraea deploy hello` starts it again" in cli("status").stderr

    cli("deploy", "hello")
    assert instances() == [before]
    kill(before.pid)
    eventually(lambda: instances()[0].restarts == 1)


def test_a_node_that_lost_everything_is_healed_by_deploying_again(
    cli: Cli, broker: str, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    (before,) = instances()
    kill(agent_pid(home, "local"))
    kill(before.pid)
    eventually(lambda: instances()[0].state == "down")
    cli("deploy", "hello")
    (after,) = instances()
    assert (after.id, after.url, after.state) == (before.id, before.url, "running")


def test_a_service_of_a_dead_agent_can_be_removed(
    cli: Cli, broker: str, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    (instance,) = instances()
    kill(agent_pid(home, "local"))
    cli("remove", "hello")
    assert not alive(instance.pid)
    eventually(lambda: list((home / "state" / "astraea" / "nodes").iterdir()) == [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_upgrade_leaves_the_old_revision_and_can_be_done_again(
    cli: Cli, broker: str, write_service: WriteService, eventually: Eventually, number: signal.Signals
) -> None:
    cli("deploy", write_service())
    (before,) = instances()
    with cli.start("deploy", write_service(version="1.1.0", handler=SLOW)) as upgrade:
        eventually(lambda: len(instances()) == 2)
        upgrade.send_signal(number)
        _, err = upgrade.communicate(timeout=20)
    assert "Traceback" not in err
    assert before.id in [instance.id for instance in instances()]
    cli("deploy", "hello")
    (after,) = instances()
    assert after.revision.startswith("1.1.0-")
    assert after.offered


def test_one_deployment_of_a_service_at_a_time(cli: Cli, broker: str, write_service: WriteService) -> None:
    folder = write_service()
    with DesiredStore().lock("hello"):
        for refused in (cli("deploy", folder, status=1), cli("remove", "hello", status=1)):
            assert "is changing what runs of 'hello'" in refused.stderr
    assert instances() == []


def test_a_service_is_scaled_up_and_down_and_stays_so(
    cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    for name in ("a", "b"):
        NodeStore().add(Node(name=name, capacity=Capacity(cpu=2)))
    cli("deploy", write_service())
    with Load(broker) as load:
        assert "5 instances of hello don't fit, but 4 do (a: 0 of" in cli("scale", "hello", "5", status=1).stderr
        cli("scale", "hello", "3")
        assert sorted(view.node for view in instances()) == ["a", "a", "b"]
        assert all(view.offered for view in instances())
        cli("scale", "hello", "1")
    assert load.answers > 0
    assert load.failures == []
    assert [view.node for view in instances()] == ["a"]
    cli("deploy", write_service(version="1.1.0"))
    assert [view.revision[:5] for view in instances()] == ["1.1.0"]
    cli("scale", "hello", "0")
    assert instances() == []
    cli("remove", "hello")
    assert "was not deployed from here" in cli("scale", "hello", "1", status=1).stderr


def test_an_instance_that_never_gets_ready_is_given_up_in_time(
    cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    failed = cli("deploy", write_service(handler="import time\ntime.sleep(600)\n"), "--timeout", "1", status=1)
    assert "on node local the instance hello-" in failed.stderr
    assert "after 1 s" in failed.stderr
    eventually(lambda: instances() == [])


def test_logs_follow_what_instances_print(cli: Cli, broker: str, write_service: WriteService) -> None:
    ticking = (
        "import threading, time\n"
        "def tick():\n    n = 0\n    while True:\n        n += 1\n        print('tick', n)\n        time.sleep(0.1)\n"
        "threading.Thread(target=tick, daemon=True).start()\n"
    )
    cli("deploy", write_service(handler=ticking + GREET))
    with cli.start("logs", "hello", "-f", "--tail", "0") as following:
        assert following.stdout is not None
        numbers = [int(line.split()[-1]) for line, _ in zip(ticks(following), range(5), strict=False)]
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=20)
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert "Traceback" not in err


def ticks(following: "subprocess.Popen[str]") -> Iterator[str]:
    assert following.stdout is not None
    return (line for line in following.stdout if "| tick" in line)
