"""A device and an edge server as they are in the field: two hosts with a link between them (see `netlab`).

The edge's host is also the network's name server, at the far end of the link as in the field.

The client, the server, their sockets and TCP are the real ones. Emulated are the link, the camera, and what inference
takes on either side: known times, in which the processor is free, so that this machine can be both.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from netlab import Conditions, Link, Namespace

from .camera_loop import Answer

ROOT = Path(__file__).resolve().parents[1]
_SERVICE = ROOT / "benchmarks/services/paced"
_PORT = 8000
_NAME = "edge.test"
_START_S = 60.0
_PREFERRED = ["nice", "-n", "-10"]
"""What else this machine does is no part of the field."""
_WITH_RESOLVER = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"']
"""Followed by a file to read instead of /etc/resolv.conf, and a command."""


class FieldError(Exception):
    """The edge server or the device did not start, or ended too soon."""


class Field:
    """Two hosts, a link, and an edge server that is ready. Use it as a context manager.

    Args:
        conditions: of the link's two directions at first.
        service: the folder of what is served.
        environment: variables for the device's program and the edge server, such as those of a clock.

    Attributes:
        device: the host of the device; it has the link's left end.
        edge: the host of the edge server.
        link: between the two.
        url: of the edge server, by its address; the device's program knows it by name.
        server: the edge server's process.
        names: the name server's.
    """

    def __init__(
        self, conditions: Conditions, service: Path = _SERVICE, environment: Mapping[str, str] | None = None
    ) -> None:
        self._service = service
        self._environment = _clean_environment() | dict(environment or {})
        with ExitStack() as opening:
            self.device = opening.enter_context(Namespace())
            self.edge = opening.enter_context(Namespace())
            self.link = opening.enter_context(Link(self.device, self.edge))
            self.url = f"http://{self.link.right}:{_PORT}"
            self.names = self._start_names()
            self.server = self.start_server()
            self.link.become(conditions)
            self._resolver = opening.enter_context(_resolver_file(self.link.right))
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def start_server(self) -> "subprocess.Popen[Any]":
        """Start the edge server, or start it again; it is ready."""
        command = [sys.executable, "-m", "astraea.deployer", "serve", str(self._service)]
        options = ["--host", self.link.right, "--port", str(_PORT), "--insecure", "--log-level", "warning"]
        self.server = self.edge.start([*_PREFERRED, *command, *options], env=self._environment)
        deadline_s = time.monotonic() + _START_S
        while not self._ready():
            if self.server.poll() is not None or time.monotonic() > deadline_s:
                raise FieldError("the edge server did not start")
            time.sleep(0.05)
        return self.server

    def start_camera(self, **options: Any) -> "Camera":
        """Start the device's program; it is ready. The options are those of `benchmarks.camera_loop`."""
        given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "benchmarks.camera_loop", f"--edge=http://{_NAME}:{_PORT}", *given]
        process = self.device.start(
            [*_WITH_RESOLVER, self._resolver, *_PREFERRED, *command],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return Camera(process)

    def _start_names(self) -> "subprocess.Popen[Any]":
        command = [sys.executable, "-m", "benchmarks.name_server", self.link.right, self.link.right]
        process = self.edge.start(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        with process.stdout:
            if not process.stdout.readline():
                raise FieldError("the name server did not start")
        return process

    def _ready(self) -> bool:
        with self.edge.entered():
            try:
                return httpx.get(f"{self.url}/readyz", timeout=1.0).is_success
            except httpx.HTTPError:
                return False


class Camera:
    """A running `benchmarks.camera_loop`.

    Attributes:
        answers: what it has said so far.
        process: the program's.
    """

    def __init__(self, process: "subprocess.Popen[Any]") -> None:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        self.answers: list[Answer] = []
        self.process = process
        self._orders, self._said = process.stdin, process.stdout
        if not self._said.readline():
            raise FieldError("the device's program did not start")
        self._reader = threading.Thread(target=self._read, daemon=True)

    def begin(self, start_s: float) -> None:
        """Have the first frame captured at `start_s` by `time.monotonic`."""
        self._orders.write(f"{start_s}\n")
        self._orders.flush()
        self._reader.start()

    def finish(self) -> list[Answer]:
        """All answers, once the program has ended by itself.

        Raises:
            FieldError: it failed.
        """
        self._reader.join()
        if self.process.wait():
            raise FieldError(f"the device's program ended with status {self.process.returncode}")
        return self.answers

    def _read(self) -> None:
        for line in self._said:
            self.answers.append(Answer(**json.loads(line)))


@contextmanager
def _resolver_file(address: str) -> Iterator[str]:
    """The path of a resolv.conf(5) that names one server."""
    with tempfile.NamedTemporaryFile("w", prefix="resolv-", suffix=".conf") as file:
        file.write(f"nameserver {address}\n")
        file.flush()
        yield file.name


def _clean_environment() -> dict[str, str]:
    """This process's own, without what would point the programs elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ASTRAEA_")}
