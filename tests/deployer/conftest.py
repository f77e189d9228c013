"""A machine of one's own for the deployer's tests: folders, and a service to deploy."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from astraea.deployer.engines.process import ProcessEngine
from astraea.deployer.images import default_layout
from astraea.deployer.oci import ImageLayout
from astraea.deployer.status import InstanceView, look
from tests.edge_server.test_tls import write_certificate

from .container_engine import base_image, client, containers, engine_address

GREET = "def predict(model: None, name: str) -> dict[str, str]:\n    return {'hello': name}\n"

BRIDGE = "10.99.0.1"
"""This machine's address in the swarm's network."""
_UV_CACHE = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")

READS_SETTINGS = """import hashlib, os
from pathlib import Path
from typing import Any


def predict(model: None, name: str) -> dict[str, str]:
    secret = Path(os.environ["CREDENTIALS_DIRECTORY"], name)
    return {
        "digest": hashlib.sha256(secret.read_bytes()).hexdigest(),
        "writable": str(os.access(secret, os.W_OK)),
        "city": os.environ["CITY"],
    }
"""
"""The handler of a service that tells of the secret it is asked for, but not the secret."""

WriteService = Callable[..., Path]
Eventually = Callable[..., None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything the deployer keeps goes below this folder, in its processes too."""
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.delenv("ASTRAEA_BROKER", raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", _UV_CACHE)  # what packages are is no test's business: each is downloaded once
    return tmp_path


@pytest.fixture
def layout(home: Path) -> ImageLayout:
    return ImageLayout(home / "layout")


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What builds of container images keep: the packages are compressed once for all tests."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def kept_layout(kept: Path, monkeypatch: pytest.MonkeyPatch) -> ImageLayout:
    """The layout of a user who has built images before, the command's own included."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(kept / "data"))
    return default_layout()


@pytest.fixture
def write_service(home: Path) -> WriteService:
    """Writes a service's folder; `extra` are further files by path."""

    def write(
        folder: str = "service",
        *,
        name: str = "hello",
        version: str = "1.0.0",
        handler: str = GREET,
        keys: str = "",
        **extra: str,
    ) -> Path:
        path = home / folder
        path.mkdir(exist_ok=True)
        (path / "astraea.yaml").write_text(f"name: {name}\nversion: {version}\nhandler: handler.py\n{keys}")
        (path / "handler.py").write_text(handler)
        for file, content in extra.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_text(content)
        return path

    return write


@pytest.fixture
def eventually() -> Eventually:
    """Polls a condition until it holds."""

    def wait(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.05)

    return wait


class Cli:
    """The `astraea` command, as a process."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd

    def __call__(self, *arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end, which must have this exit status."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=150)
        assert process.returncode == status, f"astraea {arguments} ended with {process.returncode}: {out}{err}"
        assert "Traceback" not in err or "it printed last:" in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start it, for a test that does not let it end by itself."""
        command = [sys.executable, "-m", "astraea.deployer", *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self._cwd, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def instances() -> list[InstanceView]:
    """What there is, as `astraea status` sees it."""
    return look(ProcessEngine(default_layout()))


@pytest.fixture
def cli(home: Path, eventually: Eventually) -> Iterator[Cli]:
    """The command, on a machine where nothing runs before and after the test."""
    yield Cli(home)
    engine = ProcessEngine(default_layout())
    engine.stop(instance.id for instance in engine.instances())
    eventually(lambda: engine.instances() == [])


def token_of(broker: str, key: str = "") -> dict[str, str]:
    """The headers with which a device asks an instance of `hello`, by the token that it gets with its candidates."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    told = httpx.get(f"{broker}/v1/services/hello/candidates", headers=headers, trust_env=False)
    return {"authorization": f"Bearer {told.raise_for_status().json()['token']}"}


@pytest.fixture(scope="session")
def running_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("broker")
    arguments = ["broker", "--port", "0", "--lease-s", "2", "--store", folder / "broker.db"]
    with Cli(folder).start(*arguments) as process:
        assert process.stdout is not None
        url = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert url is not None
        yield url.group()
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def broker(running_broker: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a running broker, which the command takes by default."""
    monkeypatch.setenv("ASTRAEA_BROKER", running_broker)
    return running_broker


class TlsBroker(NamedTuple):
    """A broker with a certificate of its own."""

    url: str
    certificate: Path


@pytest.fixture
def tls_broker(cli: Cli, home: Path) -> Iterator[TlsBroker]:
    """It runs on this machine."""
    certificate, key = write_certificate(home)
    arguments = ("--tls-cert", certificate, "--tls-key", key, "--port", "0", "--lease-s", "2", "--store", home / "b.db")
    with cli.start("broker", *arguments) as process:
        assert process.stdout is not None
        found = re.search(r"https://[0-9.]+(:[0-9]+)", process.stdout.readline())
        assert found is not None
        yield TlsBroker(f"https://localhost{found[1]}", certificate)
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def swarm_broker(cli: Cli, monkeypatch: pytest.MonkeyPatch, home: object) -> Iterator[str]:
    """The URL of a broker that the swarm's nodes reach."""
    arguments = ["broker", "--host", BRIDGE, "--port", "0", "--lease-s", "2", "--insecure", "--store", "broker.db"]
    with cli.start(*arguments) as process:
        assert process.stdout is not None
        url = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert url is not None
        monkeypatch.setenv("ASTRAEA_BROKER", url.group())
        yield url.group()
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def docker(cli: Cli, kept_layout: ImageLayout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Docker's client; no container of ours is there before and after, and the command takes this engine."""
    address = engine_address()
    monkeypatch.setenv("ASTRAEA_ENGINE", "docker")
    monkeypatch.setenv("ASTRAEA_BASE", base_image())
    with client(address) as engine:
        yield engine
        for container in containers(engine):
            container.remove(force=True)
