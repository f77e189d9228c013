"""A real container engine with a registry beside it, and a swarm, as tests of theirs find them in the environment."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors

from astraea.deployer.engines.launch import PLAN_LABEL
from tests.conftest import need

_SWARM_UP = Path(__file__).resolve().parents[3] / "shared" / "engine" / "swarm-up"

_OWN_MOUNTS = ["unshare", "--mount", "--propagation", "slave"]


def engine_address() -> str:
    """Where the engine listens, for tests that need one."""
    address = os.environ.get("DOCKER_HOST", "")
    present = bool(address and os.environ.get("ASTRAEA_REGISTRY")) and _answers(address)
    need("docker", present, "DOCKER_HOST and ASTRAEA_REGISTRY name no engine and no registry with python:3.11-slim")
    return address


def swarm_address() -> str:
    """Where a manager of a swarm of three nodes listens, for tests that need one."""
    address = os.environ.get("ASTRAEA_SWARM_MANAGER", "")
    need("swarm", bool(address) and _answers(address), "ASTRAEA_SWARM_MANAGER names no manager of a swarm")
    return address


def base_image() -> str:
    return f"{os.environ['ASTRAEA_REGISTRY']}/python:3.11-slim"


@contextmanager
def client(address: str) -> Iterator[Any]:
    """Docker's own client."""
    made = docker.DockerClient(base_url=address)
    try:
        yield made
    finally:
        made.close()


def containers(engine: Any) -> list[Any]:
    """Those of instances, whatever their state."""
    found: list[Any] = engine.containers.list(all=True, filters={"label": PLAN_LABEL}, ignore_removed=True)
    return found


def _answers(address: str) -> bool:
    try:
        with client(address) as engine:
            return bool(engine.ping())
    except docker.errors.DockerException:
        return False


@contextmanager
def dead_engine(number: int) -> Iterator[Callable[[], None]]:
    """Kill the engine of a swarm's node, from 1 on; gives what starts it again, which the end of the block does too."""
    need("shared", _SWARM_UP.exists(), f"{_SWARM_UP} is not there, which starts an engine again")
    pid_file = Path(os.environ["ASTRAEA_ENGINE_DIR"], "swarm", f"n{number}", "docker.pid")
    os.kill(int(pid_file.read_text()), signal.SIGKILL)

    def start() -> None:
        subprocess.run(
            [_SWARM_UP, "3", "hangzhou", "hangzhou", "shanghai"], check=True, capture_output=True, timeout=120
        )

    try:
        yield start
    finally:
        start()


@contextmanager
def cut_off(number: int) -> Iterator[Callable[[], None]]:
    """Take a swarm's node, from 1 on, off the network; gives what connects it again, which the block's end does too."""

    def link(state: str) -> None:
        subprocess.run(["ip", "link", "set", f"ast{number}h", state], check=True)

    link("down")
    try:
        yield lambda: link("up")
    finally:
        link("up")


@contextmanager
def own_engine(data: Path) -> Iterator[str]:
    """Another engine, which keeps all that it has in this folder; gives its address."""
    need(
        "docker", shutil.which("dockerd") is not None and os.geteuid() == 0, "no dockerd is here, or nobody may run it"
    )
    with tempfile.TemporaryDirectory(prefix="ae-") as folder:  # a short name: paths of sockets have 108 characters
        (Path(folder) / "daemon.json").write_text("{}")
        address = f"unix://{folder}/docker.sock"
        places = [
            "--data-root",
            str(data),
            "--exec-root",
            f"{folder}/run",
            "--pidfile",
            f"{folder}/pid",
            "--host",
            address,
        ]
        quiet = ["--config-file", f"{folder}/daemon.json", "--bridge=none", "--iptables=false", "--ip-forward=false"]
        with (
            Path(folder, "log").open("wb") as log,
            subprocess.Popen([*_OWN_MOUNTS, "dockerd", *places, *quiet], stdout=log, stderr=log) as process,
        ):
            try:
                while subprocess.run(
                    ["docker", "--host", address, "version"], capture_output=True, check=False
                ).returncode:
                    assert process.poll() is None, Path(folder, "log").read_text()
                    time.sleep(0.05)
                yield address
            finally:
                process.terminate()
