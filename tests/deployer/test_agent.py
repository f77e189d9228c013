"""A node's agent: it keeps what the node's folder asks for running, and nothing else. Its clock is the test's."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from astraea.deployer.engines import InstancePlan
from astraea.deployer.engines.process import supervisor
from astraea.deployer.engines.process.agent import Agent
from astraea.deployer.engines.process.logs import FileLog, append_line, rotate
from astraea.deployer.engines.process.processes import free_port, serve_command
from astraea.deployer.engines.process.state import InstanceFolder, NodeFolder
from astraea.deployer.engines.process.supervisor import STABLE_S, STOP_GRACE_S, restart_pause_s
from astraea.deployer.nodes import Node
from astraea.protocol import Location

from .conftest import Eventually

NODE = Node(name="hz-1", region="hangzhou", location=Location(lat=-30.27, lon=120.15))
PLAN = InstancePlan(service="hello", revision="1.0.0-abc", node=NODE, broker="http://127.0.0.1:8600")

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
CRASH = "raise SystemExit(3)"

Ask = Callable[[str], InstanceFolder]
NewAgent = Callable[[], Agent]


@pytest.fixture
def node(home: Path) -> NodeFolder:
    return NodeFolder(home / "node")


@pytest.fixture
def ask(node: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks for an instance that runs the given Python instead of a server."""

    def start(program: str) -> InstanceFolder:
        monkeypatch.setattr(
            supervisor,
            "serve_command",
            lambda _plan, folder, _port: [sys.executable, "-c", program, "serve", str(folder)],
        )
        with node.new_instance(PLAN.id) as draft:
            draft.service_files.mkdir(parents=True)
            draft.write_plan(PLAN)
        return node.instance(PLAN.id)

    return start


@pytest.fixture
def new_agent(node: NodeFolder, eventually: Eventually) -> Iterator[NewAgent]:
    agents: list[Agent] = []

    def make() -> Agent:
        agents.append(Agent(node))
        return agents[-1]

    yield make
    for process in filter(None, (last._process for agent in agents for last in agent._supervisors.values())):
        process.signal(signal.SIGKILL)
        eventually(process.ended)


def step(agent: Agent, now: float) -> bool:
    agent.step(now)
    return True


def kill(folder: InstanceFolder) -> int:
    pid = folder.report().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # its end is seen, and left to the agent to collect
    return pid


def test_what_is_asked_for_is_started_with_its_output_in_its_log(
    ask: Ask, new_agent: NewAgent, eventually: Eventually
) -> None:
    folder = ask(SLEEP)
    new_agent().step(now=0)
    assert folder.report().pid is not None
    eventually(lambda: FileLog(folder.log).tail(10) == ["up"])


def test_a_killed_instance_is_started_again_at_once_on_its_port(ask: Ask, new_agent: NewAgent) -> None:
    folder, agent = ask(SLEEP), new_agent()
    agent.step(now=0)
    port, pid = folder.report().port, kill(folder)
    agent.step(now=1)
    report = folder.report()
    assert (report.port, report.restarts, report.last_exit) == (port, 1, "killed by SIGKILL")
    assert report.pid not in (None, pid)
    assert "astraea: the instance ended: killed by SIGKILL" in FileLog(folder.log).tail(10)


def test_an_instance_that_keeps_ending_is_started_ever_more_slowly(
    ask: Ask, new_agent: NewAgent, eventually: Eventually
) -> None:
    folder, agent = ask(CRASH), new_agent()

    def second_end_is_noticed() -> bool:
        return step(agent, now=0) and folder.report().restarts == 2

    eventually(second_end_is_noticed)
    report = folder.report()
    assert (report.pid, report.failures, report.last_exit) == (None, 2, "exit status 3")
    agent.step(now=0.9)
    assert folder.report().pid is None
    agent.step(now=1)
    assert folder.report().pid is not None


def test_an_end_after_a_long_life_is_not_one_more_in_a_row(ask: Ask, new_agent: NewAgent) -> None:
    folder, agent = ask(SLEEP), new_agent()
    now = 0.0
    for _ in range(3):
        agent.step(now)
        now += STABLE_S
        kill(folder)
        agent.step(now)
        assert folder.report().failures == 1
        assert folder.report().pid is not None


def test_another_agent_finds_the_running_instance_and_sees_it_end(
    ask: Ask, new_agent: NewAgent, eventually: Eventually
) -> None:
    folder, first = ask(SLEEP), new_agent()
    first.step(now=0)
    pid = folder.report().pid
    eventually(lambda: FileLog(folder.log).tail(1) == ["up"])
    second = new_agent()
    second.step(now=0)
    assert (folder.report().pid, folder.report().restarts) == (pid, 0)
    kill(folder)
    first._supervisors[folder.id]._process.ended()  # type: ignore[union-attr]  # the parent collects its child
    eventually(lambda: step(second, now=1) and folder.report().restarts == 1)
    assert folder.report().pid not in (None, pid)


def test_an_instance_that_ended_while_no_agent_watched_is_started_again(ask: Ask, new_agent: NewAgent) -> None:
    folder, first = ask(SLEEP), new_agent()
    first.step(now=0)
    pid = kill(folder)
    first._supervisors[folder.id]._process.ended()  # type: ignore[union-attr]  # the parent collects its child
    new_agent().step(now=0)
    report = folder.report()
    assert (report.restarts, report.last_exit) == (1, "ended while no agent watched")
    assert report.pid not in (None, pid)


def test_an_instance_asked_to_stop_ends_and_nothing_of_it_remains(
    node: NodeFolder, ask: Ask, new_agent: NewAgent, eventually: Eventually
) -> None:
    folder, agent = ask(SLEEP), new_agent()
    agent.step(now=0)
    folder.request_stop()
    eventually(lambda: step(agent, now=1) and not folder.exists)
    assert node.instances() == []
    agent.run()  # with nothing left to do, it returns
    assert not node.path.exists()


def test_an_instance_that_does_not_heed_is_killed_after_a_grace(
    ask: Ask, new_agent: NewAgent, eventually: Eventually
) -> None:
    folder, agent = ask(STUBBORN), new_agent()
    agent.step(now=0)
    eventually(lambda: FileLog(folder.log).tail(1) == ["up"])
    folder.request_stop()
    agent.step(now=1)
    agent.step(now=1 + STOP_GRACE_S - 0.1)
    assert folder.report().restarts == 0
    eventually(lambda: step(agent, now=1 + STOP_GRACE_S) and not folder.exists)


def test_a_stop_that_is_taken_back_leaves_the_instance_running(ask: Ask, new_agent: NewAgent) -> None:
    folder, agent = ask(SLEEP), new_agent()
    agent.step(now=0)
    folder.request_stop()
    folder.withdraw_stop()
    agent.step(now=1)
    assert (folder.report().restarts, folder.exists) == (0, True)


def test_a_plan_that_does_not_read_is_complained_of_once_and_the_others_run(
    ask: Ask, new_agent: NewAgent, caplog: pytest.LogCaptureFixture
) -> None:
    folder, agent = ask(SLEEP), new_agent()
    broken = folder.path.with_name("a-broken")
    broken.mkdir()
    (broken / "plan.json").write_text("{}")
    for now in range(3):
        agent.step(now)
    assert folder.report().pid is not None
    assert [record.message for record in caplog.records if "doesn't read" in record.message] != []
    assert sum("doesn't read" in record.message for record in caplog.records) == 1


def test_a_host_that_is_not_this_machine_is_a_failed_start(
    ask: Ask, new_agent: NewAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_host: str, _preferred: int | None) -> int:
        raise OSError(99, "Cannot assign requested address")

    folder, agent = ask(SLEEP), new_agent()
    monkeypatch.setattr(supervisor, "free_port", refuse)
    agent.step(now=0)
    assert "Cannot assign requested address" in str(folder.report().last_exit)


def test_pauses_grow_from_none_to_half_a_minute() -> None:
    assert [restart_pause_s(failures) for failures in range(9)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert restart_pause_s(10_000) == 30


def test_the_command_line_says_all_that_an_instance_registers_with(tmp_path: Path) -> None:
    command = serve_command(PLAN, tmp_path, 4242)
    assert command[:5] == [sys.executable, "-P", "-m", "astraea.deployer", "serve"]
    assert command[5:] == [
        str(tmp_path),
        "--host=127.0.0.1",
        "--port=4242",
        "--advertise=http://127.0.0.1:4242",
        "--broker=http://127.0.0.1:8600",
        "--node=hz-1",
        "--region=hangzhou",
        "--lat=-30.27",
        "--lon=120.15",
        "--revision=1.0.0-abc",
        f"--instance={PLAN.id}",
    ]


@pytest.mark.parametrize(
    ("host", "insecure", "expected"),
    [
        ("192.0.2.1", False, {"--jwks=http://127.0.0.1:8600/.well-known/jwks.json"}),
        ("edge.example", False, {"--jwks=http://127.0.0.1:8600/.well-known/jwks.json"}),
        ("192.0.2.1", True, {"--insecure"}),
        ("127.0.0.2", False, set()),
        ("localhost", False, set()),
    ],
)
def test_beyond_loopback_an_instance_checks_the_brokers_tokens_unless_its_node_is_insecure(
    tmp_path: Path, host: str, *, insecure: bool, expected: set[str]
) -> None:
    plan = PLAN.model_copy(update={"node": NODE.model_copy(update={"host": host, "insecure": insecure})})
    command = serve_command(plan, tmp_path, 1)
    assert {part for part in command if part.startswith(("--jwks", "--insecure"))} == expected


def test_a_node_of_no_place_gives_no_place(tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"node": Node(name="local")})
    assert not any(part.startswith(("--region", "--lat", "--lon")) for part in serve_command(plan, tmp_path, 1))


def test_equal_plans_name_the_same_instance_and_others_another() -> None:
    assert PLAN.id == InstancePlan.model_validate_json(PLAN.model_dump_json()).id
    assert PLAN.id != PLAN.model_copy(update={"broker": "http://127.0.0.1:8601"}).id


def test_a_taken_port_is_replaced_and_a_free_one_kept() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port
    assert free_port("127.0.0.1", port) == port


def test_a_log_that_grows_too_large_is_moved_aside_and_read_on(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    append_line(path, "one")
    log = FileLog(path)
    assert log.tail(5) == ["one"]
    append_line(path, "two")
    rotate(path, max_bytes=100)
    assert log.new_lines() == ["two"]
    rotate(path, max_bytes=7)
    append_line(path, "three")
    assert log.new_lines() == ["three"]
    assert FileLog(path).tail(5) == ["one", "two", "three"]
    assert FileLog(path).tail(2) == ["two", "three"]


def test_a_line_is_given_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    log = FileLog(path)
    assert log.tail(5) == []
    path.write_bytes(b"\xe4\xba")
    assert log.new_lines() == []
    path.write_bytes(b"\xe4\xba\xac\xff\r\nrest")
    assert log.new_lines() == ["京\ufffd"]
