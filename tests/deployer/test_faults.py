"""What goes wrong while a service is deployed: a clear message, nothing half done, and a next run that works."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from astraea.deployer.engines.docker import DockerEngine
from astraea.deployer.health import is_ready
from astraea.deployer.images import default_layout
from astraea.deployer.nodes import IMPLICIT_NODE
from astraea.deployer.status import look
from tests.conftest import need

from .conftest import GREET, Cli, Eventually, WriteService, instances
from .container_engine import base_image, containers, own_engine
from .registry_server import PASSWORD, USER, running_registry

WEIGHTS_BYTES = 96 * 2**20
"""Takes so long to pack and to send that a test can be in the middle of it."""
TEXT = {"content-type": "text/plain"}
OPENS_NOTHING = f"def load(model):\n    return None\n\n\n{GREET}"


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Callable[[str], int]]:
    """A filesystem of its own at this folder, and what gives it another size."""
    need("netns", os.geteuid() == 0, "only root can mount a filesystem")
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield lambda other: subprocess.check_call(["mount", "-o", f"remount,size={other}", path])
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def registry_present() -> None:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")


def offered() -> list[bool]:
    return [view.offered for view in look(DockerEngine([IMPLICIT_NODE]))]


def test_a_deployment_killed_in_any_stage_is_completed_by_the_next(
    docker: Any, cli: Cli, broker: str, *, write_service: WriteService, eventually: Eventually, home: Path
) -> None:
    registry_present()
    folder = write_service(handler=OPENS_NOTHING, keys="model: weights.bin\n")
    (folder / "weights.bin").write_bytes(os.urandom(WEIGHTS_BYTES))
    layout = default_layout().root
    blobs = home / "blobs" / "docker" / "registry" / "v2" / "repositories" / "hello"
    with running_registry(home) as host:
        arguments = ("deploy", folder, "--registry", host)
        stages: tuple[Callable[[], object], ...] = (
            lambda: list(layout.glob("partial-*")),  # packing
            lambda: list(blobs.glob("_uploads/*")),  # sending
            lambda: containers(docker),  # starting
        )
        for begun in stages:
            with cli.start(*arguments) as killed:
                while not begun() and killed.poll() is None:
                    time.sleep(0.005)  # stages are short where nothing else is at work
                killed.kill()
                killed.communicate()
            assert killed.returncode < 0, "it was done before it could be killed"
        cli(*arguments)
        eventually(lambda: offered() == [True])  # a lease of 2 s may lapse for a moment on a busy machine
        assert not list(layout.glob("partial-*"))


def test_a_deployment_killed_while_the_old_revision_ends_is_completed_by_the_next(
    docker: Any, cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    registry = ("--registry", os.environ["ASTRAEA_REGISTRY"])
    slow = "import time\n\n\ndef predict(model: None, name: str) -> str:\n    time.sleep(4)\n    return name\n"
    cli("deploy", write_service(handler=slow), *registry)
    (old,) = look(DockerEngine([IMPLICIT_NODE]))
    folder = write_service(version="1.1.0")
    with (
        ThreadPoolExecutor() as threads,
        httpx.Client(trust_env=False, timeout=20) as device,
        cli.start("deploy", folder, *registry) as killed,
    ):
        eventually(lambda: len(containers(docker)) == 2, timeout_s=60)
        while is_ready(device, old.url):  # so that there is something to finish when it is asked to end
            wait([threads.submit(device.post, f"{old.url}/predict", content=b"you", headers=TEXT)], timeout=0.5)
        killed.kill()
        killed.communicate()
    assert killed.returncode < 0, "it was done before it could be killed"
    cli("deploy", folder, *registry)
    eventually(lambda: offered() == [True])
    assert len(containers(docker)) == 1


def test_a_registry_that_asks_for_a_password_is_told_the_one_of_docker_login(
    docker: Any,
    cli: Cli,
    broker: str,
    *,
    write_service: WriteService,
    eventually: Eventually,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry_present()
    monkeypatch.setenv("DOCKER_CONFIG", str(home))
    with running_registry(home, authenticated=True) as host:
        arguments = ("deploy", write_service(), "--registry", host)
        refused = cli(*arguments, status=1).stderr
        assert f"the registry {host} refuses: Unauthorized" in refused
        assert f"`docker login {host}` first" in refused
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (home / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        cli(*arguments)
        eventually(lambda: offered() == [True])


def test_an_instance_that_never_gets_well_is_given_up_and_taken_away(
    docker: Any, cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    folder = write_service(handler=f"print('asleep', flush=True)\nimport time\ntime.sleep(600)\n{GREET}")
    arguments = ("deploy", folder, "--registry", os.environ["ASTRAEA_REGISTRY"])
    failed = cli(*arguments, "--timeout", "3", status=1).stderr
    assert "is not ready at http://127.0.0.1:" in failed
    assert "after 3 s" in failed
    assert containers(docker) == []
    write_service()
    cli(*arguments)
    eventually(lambda: offered() == [True])


@pytest.mark.parametrize(
    ("kind", "message"),
    [("data", "the image can't be written to"), ("state", "can't be unpacked")],
)
def test_a_full_disk_is_named(
    cli: Cli,
    broker: str,
    write_service: WriteService,
    eventually: Eventually,
    *,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    message: str,
) -> None:
    folder = write_service(handler=OPENS_NOTHING, keys="model: weights.bin\n")
    (folder / "weights.bin").write_bytes(os.urandom(2**20))
    with small_disk(home / "disk", "500k") as resize:
        monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", str(home / "disk"))
        full = cli("deploy", folder, status=1).stderr
        assert message in full
        assert "No space left on device" in full
        assert instances() == []
        resize("20m")
        cli("deploy", folder)
        eventually(lambda: [view.offered for view in instances()] == [True])
        cli("remove", "hello")


def test_an_engine_whose_disk_is_full_is_named(
    docker: Any,
    cli: Cli,
    broker: str,
    write_service: WriteService,
    eventually: Eventually,
    *,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("deploy", write_service(), "--registry", os.environ["ASTRAEA_REGISTRY"])
    with small_disk(home / "engine", "100m") as resize, own_engine(home / "engine") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        full = cli(*arguments, status=1).stderr
        assert "node local: the container engine refuses:" in full
        assert "no space left on device" in full
        assert "`docker image prune`" in full
        resize("1g")
        cli(*arguments)
        eventually(lambda: offered() == [True])
        cli("remove", "hello")


def test_a_full_registry_is_named(cli: Cli, kept_layout: object, write_service: WriteService, home: Path) -> None:
    registry_present()
    need("docker", "ASTRAEA_REGISTRY" in os.environ, "ASTRAEA_REGISTRY names no registry with python:3.11-slim")
    with small_disk(home / "registry", "1m") as resize, running_registry(home / "registry") as host:
        arguments = ("build", write_service(), "--push", f"{host}/hello", "--base", base_image())
        assert f"the registry {host} answered 500" in cli(*arguments, status=1).stderr
        resize("400m")
        assert f"{host}/hello:latest@sha256:" in cli(*arguments).stdout


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("127.0.0.1:1/hello", "the registry 127.0.0.1:1 can't be reached", "is it running"),
        ("host/hello:b:c", "'host/hello:b:c' is no name of an image", "HOST"),
    ],
)
def test_a_registry_that_is_away_is_named(
    cli: Cli, write_service: WriteService, name: str, message: str, hint: str
) -> None:
    failed = cli("build", write_service(), "--push", name, "--base", "127.0.0.1:1/python:3.11", status=1).stderr
    assert message in failed
    assert hint in failed
