"""What tests of the broker share: instances, and real broker processes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from astraea.protocol import Instance

RunBroker = Callable[..., subprocess.Popen[str]]
StartBroker = Callable[..., tuple[subprocess.Popen[str], httpx.Client]]

_ASTRAEA = (sys.executable, "-c", "from astraea.deployer.main import main; main()")


def _popen(state_home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_ASTRAEA, "broker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": str(state_home)},
    )


@contextmanager
def _started(state_home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    with _popen(state_home, "--port", "0", *arguments) as process:
        try:
            assert process.stdout
            assert process.stderr
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address, process.stderr.read()
            with httpx.Client(base_url=address[0], timeout=10) as client:
                yield process, client
        finally:
            process.kill()


@pytest.fixture
def run_broker(tmp_path: Path) -> RunBroker:
    """Run `astraea broker` with a state folder of the test's own, for a test where it ends by itself."""
    return lambda *arguments: _popen(tmp_path, *arguments)


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Start a broker on a free port; the process and a client of it, when it listens."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(_started(tmp_path, *arguments))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one broker process that all tests of a module share."""
    with _started(tmp_path_factory.mktemp("state")) as (_, client):
        yield client


@pytest.fixture(scope="session")
def make_instance() -> Callable[..., Instance]:
    """An instance of the service `plates`, with what a test wants different."""

    def make(instance_id: str = "plates-1", **different: Any) -> Instance:
        usual = {
            "id": instance_id,
            "service": "plates",
            "revision": "1.0.0-abc",
            "url": "http://127.0.0.1:8000",
            "node": "node-1",
        }
        return Instance.model_validate(usual | different)

    return make
