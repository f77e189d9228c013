"""A broker and services on this machine, run by the same commands that a user types, away from what the user runs."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from netlab import Conditions, Link, Namespace

ASTRAEA = [sys.executable, "-m", "astraea.deployer"]
CLEAR_LINK = Conditions(rate_mbps=30, delay_ms=15)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Site:
    """Everything between a device and a service, in folders of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = os.environ | {
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
        }
        self._broker: subprocess.Popen[bytes] | None = None
        self._port = "0"

    @property
    def broker_url(self) -> str:
        return self.environment["ASTRAEA_BROKER"]

    def astraea(self, *arguments: str) -> str:
        done = subprocess.run(
            [*ASTRAEA, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_broker(self) -> None:
        """Start it, or start it again where it was."""
        log = self.home / "broker.log"
        with log.open("w") as output:
            self._broker = subprocess.Popen(
                [*ASTRAEA, "broker", "--port", self._port, "--lease-s", "2"],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: re.search(r"http://\S+:\d+", log.read_text()) is not None, log.read_text())
        found = re.search(r"http://[\w.]+:(\d+)", log.read_text())
        assert found is not None
        self.environment["ASTRAEA_BROKER"], self._port = found[0], found[1]

    def kill_broker(self) -> None:
        assert self._broker is not None
        self._broker.kill()
        self._broker.wait()

    def instances(self) -> list[dict[str, Any]]:
        instances: list[dict[str, Any]] = json.loads(self.astraea("status", "--json"))
        return instances

    def kill_instances(self) -> None:
        for instance in self.instances():
            if instance["pid"] is not None:
                os.kill(instance["pid"], signal.SIGKILL)

    def close(self) -> None:
        for service in {instance["service"] for instance in self.instances()}:
            self.astraea("remove", service)
        if self._broker is not None:
            self._broker.terminate()
            self._broker.wait()


class Instance:
    """An edge server that is started by hand, as an operator's own tools would."""

    def __init__(self, site: Site, folder: Path, name: str) -> None:
        self._site = site
        self._name = name
        with (site.home / f"{name}.log").open("w") as log:
            self._process = subprocess.Popen(
                [*ASTRAEA, "serve", str(folder), "--port", "0", "--instance", name],
                env=site.environment,
                stderr=log,
            )

    def await_listed(self) -> None:
        """Until the broker tells devices of it."""
        url = f"{self._site.broker_url}/v1/instances"
        wait_until(lambda: self._name in [entry["id"] for entry in httpx.get(url).json()], f"{self._name} is listed")

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self._process.terminate()
        return self._process.wait(timeout=30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.start_broker()
    yield site
    site.close()


class Lab(NamedTuple):
    """A device and an edge server in networks of their own, with a link between them."""

    device: Namespace
    edge: Namespace
    link: Link
    url: str

    def move_device(self) -> None:
        """Let the device have another address, as when it changes networks."""
        found = re.match(r"\d+: (\S+)", self.device.run("ip", "-o", "-4", "address", "show", "to", self.link.left))
        assert found
        name = found[1]
        self.edge.run("ip", "route", "add", "10.77.0.9", "dev", name)
        self.device.run("ip", "address", "delete", self.link.left, "peer", self.link.right, "dev", name)
        self.device.run("ip", "address", "add", "10.77.0.9", "peer", self.link.right, "dev", name)


@pytest.fixture
def lab(tmp_path: Path, handler: str) -> Iterator[Lab]:
    """A service of the handler that the test's module has a fixture for, behind `CLEAR_LINK`."""
    (tmp_path / "astraea.yaml").write_text("name: service\nversion: 1.0.0\nhandler: handler.py\n")
    (tmp_path / "handler.py").write_text(textwrap.dedent(handler))
    log = tmp_path / "log"
    with Namespace() as device, Namespace() as edge, Link(device, edge) as link:
        with log.open("w") as output:
            edge.start(
                [*ASTRAEA, "serve", str(tmp_path), "--host", link.right, "--port", "8000", "--insecure"], stderr=output
            )
        wait_until(lambda: " answers at " in log.read_text(), "the server is ready")
        link.become(CLEAR_LINK)
        yield Lab(device, edge, link, f"http://{link.right}:8000")
