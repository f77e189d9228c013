"""Where the experiment takes place: two hosts and a link, without root a shaped uplink, or the real thing."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from astraea.device.simulator import read_trace
from benchmarks.field import Field
from benchmarks.networks import MEASURED, changes
from benchmarks.regret import SHARED_TRACES
from netlab import Conditions, unavailable

from ..quickstart.uplink import Condition, Uplink
from .remote import PIPES, Remote, command

NETWORKS = {name: MEASURED[name] for name in ("5G", "4G", "WiFi")}
REAL = "real"
"""The network of an edge that is not ours."""
_START_S = 60.0
_END_S = 10.0
_PREFERRED = ["nice", "-n", "-10"]
"""What else this machine does is no part of the experiment."""


class LabError(Exception):
    """The edge server did not start; the message is what it said."""


class Lab(AbstractContextManager["Lab"]):
    """An edge server, and the way to it: here the ones that are there already.

    Args:
        url: where the device finds the edge.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started."""

    def start(self, arguments: Sequence[str]) -> Remote:
        """Start the device's program."""
        return Remote(subprocess.Popen(command(arguments), **PIPES))

    def become(self, network: str) -> None:
        """Have the link follow a network from its beginning; nobody has a say in a real one."""


class Namespaces(Lab):
    """Two network namespaces and a link that carries packets as a measured trace has it. Needs root."""

    def __init__(self, service: Path, environment: Mapping[str, str]) -> None:
        self._field = Field(Conditions(), service, environment)
        super().__init__(self._field.url)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._field.__exit__(kind, error, trace)

    def start(self, arguments: Sequence[str]) -> Remote:
        """Start it on the device's host."""
        return Remote(self._field.device.start([*_PREFERRED, *command(arguments)], **PIPES))

    def become(self, network: str) -> None:
        """Have packets go as they did there, or where the trace is not at hand, as they did in the mean."""
        link, what = self._field.link, NETWORKS[network]
        trace = SHARED_TRACES / f"{what.trace}.csv"
        if trace.exists():
            link.follow(changes(read_trace(trace), what, time.monotonic()))
        else:
            away = Conditions(delay_ms=what.rtt_ms / 2)
            link.become(Conditions(rate_mbps=what.mbps, delay_ms=what.rtt_ms / 2), away)


class UserSpace(Lab):
    """All on this host; what the device sends goes through a proxy with a network's mean rate and round trip time."""

    def __init__(self, service: Path, environment: Mapping[str, str]) -> None:
        log = service / "server.log"
        serve = [sys.executable, "-m", "astraea.deployer", "serve", str(service), "--port", "0"]
        with ExitStack() as opening:
            with log.open("w") as output:
                server = subprocess.Popen(serve, env=os.environ | environment, stdout=output, stderr=output)
            opening.callback(_end, server)
            url = _find_url(server, log)
            self._uplink = opening.enter_context(Uplink(_condition("5G")))
            super().__init__(self._uplink.route(url))
            self._open = opening.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def become(self, network: str) -> None:
        """Have the proxy carry bytes as fast as that network did in the mean."""
        self._uplink.become(_condition(network))


def open_lab(service: Path, environment: Mapping[str, str]) -> Lab:
    """As good a one as this machine allows."""
    return UserSpace(service, environment) if unavailable() else Namespaces(service, environment)


def _condition(network: str) -> Condition:
    what = NETWORKS[network]
    return Condition(network, what.mbps, what.rtt_ms / 2)


def _find_url(server: "subprocess.Popen[Any]", log: Path) -> str:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and server.poll() is None:
        if (found := re.search(r"http://[\w.]+:\d+", log.read_text())) and _is_ready(found[0]):
            return found[0]
        time.sleep(0.05)
    raise LabError(f"the edge server did not start: {log.read_text().strip()}")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=1.0).is_success
    except httpx.HTTPError:
        return False


def _end(server: "subprocess.Popen[Any]") -> None:
    with server:
        server.terminate()
        try:
            server.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            server.kill()
