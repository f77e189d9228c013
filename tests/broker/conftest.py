"""What tests of the broker share: instances, and real broker processes."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from astraea.protocol import Instance
from tests.conftest import need

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
            address = re.search(r"https?://\S+", process.stdout.readline())
            assert address, process.stderr.read()
            # The header tells a test where this broker keeps its state.
            with httpx.Client(base_url=address[0], timeout=10, headers={"x-state": str(state_home)}) as client:
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


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one broker process that all tests of a module share, with a store of each kind in turn."""
    postgres = request.param == "postgres"
    store = ("--store", _new_database(request.getfixturevalue("postgres"))) if postgres else ()
    with _started(tmp_path_factory.mktemp("state"), *store) as (_, client):
        yield client


_POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
"""Debian keeps servers of several versions apart, off the PATH."""


def _as_postgres(*command: str | Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    prefix = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    return [*prefix, *map(str, command)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of the tests' own, without a database's name."""
    need("postgres", _POSTGRES is not None, "there is no PostgreSQL server: apt install postgresql")
    assert _POSTGRES
    with tempfile.TemporaryDirectory(prefix="astraea-pg-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = Path(folder) / "data"
        initdb = _as_postgres(_POSTGRES / "initdb", "-D", data, "-A", "trust", "-U", "astraea", "--no-sync")
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c autovacuum=off"
        control = _as_postgres(_POSTGRES / "pg_ctl", "-D", data, "-w", "-l", Path(folder) / "log")
        subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
        try:
            yield f"postgresql://astraea@127.0.0.1:{port}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)


def _new_database(postgres: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type, call-overload, unused-ignore]
    return f"{postgres}/{name}"


@pytest.fixture
def database(postgres: str) -> str:
    """The address of a new, empty database."""
    return _new_database(postgres)


@pytest.fixture(params=["sqlite", "postgres"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's address, of each kind in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "store" / "broker.db")
    address: str = request.getfixturevalue("database")
    return address


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
