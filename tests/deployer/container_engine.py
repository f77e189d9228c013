"""A real container engine with a registry beside it, and a swarm, as tests of theirs find them in the environment."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors

from astraea.deployer.engines.launch import PLAN_LABEL
from tests.conftest import need

_SWARM_UP = Path(__file__).resolve().parents[3] / "shared" / "engine" / "swarm-up"


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
