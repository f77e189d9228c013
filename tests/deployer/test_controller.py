"""The controller: what is lost comes back, canaries go on, and the number of instances follows the load."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from astraea.deployer.controller import Keeper
from astraea.deployer.controller.healing import Absences, idle_nodes, spread, to_start, to_stop, wanted
from astraea.deployer.desired import Desired, DesiredStore, Release
from astraea.deployer.engines import InstanceState, InstanceStatus
from astraea.deployer.engines.process import ProcessEngine
from astraea.deployer.health import new_client
from astraea.deployer.images import ServiceImage, default_layout
from astraea.deployer.nodes import Node
from astraea.deployer.status import InstanceView
from astraea.protocol import ServiceSpec

from .conftest import GREET, Cli, Eventually, WriteService, instances
from .load import Load

BUSY = "import time\n\n\ndef predict(model: None, name: str) -> str:\n    time.sleep(0.05)\n    return name\n"


@pytest.fixture
def keeper(cli: Cli) -> Iterator[Keeper]:
    """Of the service `hello`, on the process engine."""
    with new_client() as client:
        yield Keeper("hello", DesiredStore(), lambda _name: ProcessEngine(default_layout()), client)


def step(keeper: Keeper, ahead_s: float = 0.0) -> bool:
    keeper.step(time.monotonic() + ahead_s)
    return True


def revisions() -> list[str]:
    return sorted(view.revision[:5] for view in instances() if view.state == "running")


def test_what_is_lost_comes_back_and_a_canary_goes_on_without_its_command(
    cli: Cli, broker: str, home: Path, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    (before,) = instances()
    with controlling(cli) as controller:
        agent = int((home / "state" / "astraea" / "nodes" / "local" / "agent.pid").read_text())
        for pid in (agent, before.pid):
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: is_back(before), timeout_s=60)

        folder = write_service(version="1.1.0", handler=f"{GREET}# newer\n")
        with Load(broker) as load:
            with cli.start("deploy", folder, "--canary", "50", "--every", "3s") as killed:
                eventually(lambda: under_way("hello"), timeout_s=60)
                killed.kill()
                killed.communicate()
            eventually(lambda: revisions() == ["1.1.0"], timeout_s=60)
        assert load.failures == []
        assert "a controller of this user runs already" in cli("controller", status=1).stderr
        controller.terminate()
        _, said = controller.communicate(timeout=60)
    assert controller.returncode == 0
    assert "going on with the canary 1.1.0" in said
    assert "Traceback" not in said


def is_back(before: InstanceView) -> bool:
    """Whether another process serves in its place: for a while the broker still offers the one that was killed."""
    return any(
        now.id == before.id and now.pid not in (before.pid, None) and now.ready and now.offered for now in instances()
    )


@contextmanager
def controlling(cli: Cli) -> Iterator["subprocess.Popen[str]"]:
    """The command `astraea controller` while the block lasts."""
    with cli.start("controller") as controller:
        try:
            yield controller
        finally:
            controller.terminate()


def under_way(service: str) -> bool:
    desired = DesiredStore().get(service)
    return desired is not None and desired.rollout is not None


def test_instances_follow_the_load(
    cli: Cli, broker: str, write_service: WriteService, keeper: Keeper, eventually: Eventually
) -> None:
    cli("deploy", write_service(handler=BUSY, keys="scale: {min: 0, max: 2}\n"))
    with ExitStack() as loads:
        crowd = [loads.enter_context(Load(broker)) for _ in range(6)]
        eventually(lambda: step(keeper) and len(revisions()) == 2, timeout_s=90)
        eventually(lambda: all(view.offered for view in instances()))
    assert sum(load.answers for load in crowd) > 0
    assert [failure for load in crowd for failure in load.failures] == []
    later = iter(range(10**9))
    eventually(lambda: step(keeper, 4 * next(later)) and len(instances()) == 1, timeout_s=60)

    cli("scale", "hello", "0")
    assert instances() == []
    with httpx.Client(trust_env=False) as device:
        assert device.get(f"{broker}/v1/services/hello/candidates").status_code == 404
    eventually(lambda: step(keeper) and revisions() == ["1.0.0"], timeout_s=60)


def test_what_a_killed_command_left_is_ended(
    cli: Cli, broker: str, write_service: WriteService, keeper: Keeper, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    with cli.start(
        "deploy", write_service(version="1.1.0", handler=f"import time\ntime.sleep(600)\n{GREET}")
    ) as killed:
        eventually(lambda: len(instances()) == 2)
        killed.kill()
        killed.communicate()
    eventually(lambda: step(keeper) and len(instances()) == 1, timeout_s=60)
    assert revisions() == ["1.0.0"]


NODES = tuple(Node(name=name) for name in "abc")
IMAGE = ServiceImage("hello:1", "sha256:0", ServiceSpec(name="hello", version="1.0.0"), "1.0.0-x")
DESIRED = Desired(engine="docker", release=Release(image=IMAGE, nodes=NODES, broker="http://broker"))


def running(*names: str, state: InstanceState = "running") -> list[InstanceStatus]:
    return [InstanceStatus(plan=plan, state=state) for plan in DESIRED.release.plans() if plan.node.name in names]


def test_an_instance_that_nothing_would_start_again_is_to_be_started() -> None:
    seen = running("a") + running("b", state="down")
    assert [want.plan.node.name for want in to_start(wanted(DESIRED), seen)] == ["b", "c"]
    assert to_start(wanted(DESIRED), running("a", "b", "c", state="restarting")) == []


def test_a_node_is_lost_once_it_has_run_nothing_for_a_while() -> None:
    absences = Absences(grace_s=30)
    assert idle_nodes(DESIRED, running("a", "b")) == {"c"}
    assert absences.lost({"c"}, 0.0) == frozenset()
    assert absences.lost({"c"}, 29.0) == frozenset()
    assert absences.lost({"c"}, 30.0) == {"c"}
    assert absences.lost((), 31.0) == frozenset()
    assert absences.lost({"c"}, 32.0) == frozenset()


def test_what_stands_in_for_a_lost_node_ends_when_it_is_back() -> None:
    wants = wanted(DESIRED, spread(DESIRED, {"c"}, ()))
    stand_in = [want.plan for want in wants if want.plan.ordinal == 1]
    assert [plan.node.name for plan in stand_in] == ["a"]
    assert [want.plan.node.name for want in wants] == ["a", "b", "c", "a"]

    seen = [*running("a", "b", "c"), InstanceStatus(plan=stand_in[0], state="running")]
    back = wanted(DESIRED)
    ids = [one.id for one in seen]
    assert to_stop(back, seen, ids[:2], ()) == [], "not before all are ready"
    assert to_stop(back, seen, ids[:3], ()) == [stand_in[0].id]
    assert to_stop(wants, seen, ids, {"c"}) == []


def test_where_all_nodes_are_lost_nothing_stands_in() -> None:
    assert spread(DESIRED, {"a", "b", "c"}, ()) is None


def test_desired_state_survives_its_store() -> None:
    store = DesiredStore()
    with store.lock("hello"):
        store.put(DESIRED)
    assert store.get("hello") == DESIRED
    assert store.services() == ["hello"]
