"""A device and an edge server as they are in the field: two hosts with a link between them (see `netlab`).

The client, the server, their sockets and TCP are the real ones. Emulated are the link, the camera, and what inference
takes on either side: known times, in which the processor is free, so that this machine can be both.
"""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from netlab import Conditions, Link, Namespace

from .camera_loop import Answer

ROOT = Path(__file__).resolve().parents[1]
_SERVICE = ROOT / "benchmarks/services/paced"
_PORT = 8000
_START_S = 60.0
_PREFERRED = ["nice", "-n", "-10"]
"""What else this machine does is no part of the field."""


class FieldError(Exception):
    """The edge server or the device did not start, or ended too soon."""


class Field:
    """Two hosts, a link, and an edge server that is ready. Use it as a context manager.

    Args:
        conditions: of the link's two directions at first.
        service: the folder of what is served.

    Attributes:
        device: the host of the device; it has the link's left end.
        edge: the host of the edge server.
        link: between the two.
        url: of the edge server.
        server: its process.
    """

    def __init__(self, conditions: Conditions, service: Path = _SERVICE) -> None:
        self._service = service
        self._open = ExitStack()
        with ExitStack() as opening:
            self.device = opening.enter_context(Namespace())
            self.edge = opening.enter_context(Namespace())
            self.link = opening.enter_context(Link(self.device, self.edge))
            self.link.become(conditions)
            self.url = f"http://{self.link.right}:{_PORT}"
            self.server = self.start_server()
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
        self.server = self.edge.start([*_PREFERRED, *command, *options], env=_environment())
        deadline_s = time.monotonic() + _START_S
        while not self._ready():
            if self.server.poll() is not None or time.monotonic() > deadline_s:
                raise FieldError("the edge server did not start")
            time.sleep(0.05)
        return self.server

    def start_camera(self, **options: Any) -> "Camera":
        """Start the device's program; it is ready. The options are those of `benchmarks.camera_loop`."""
        given = [f"--{name.replace('_', '-')}={value}" for name, value in ({"edge": self.url} | options).items()]
        return Camera(self.device, given)

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

    def __init__(self, host: Namespace, options: list[str]) -> None:
        self.answers: list[Answer] = []
        self.process = host.start(
            [*_PREFERRED, sys.executable, "-m", "benchmarks.camera_loop", *options],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None  # noqa: S101 - both are pipes
        assert self.process.stdout is not None  # noqa: S101
        self._orders, self._said = self.process.stdin, self.process.stdout
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
        self.answers.extend(Answer(**json.loads(line)) for line in self._said)


def _environment() -> dict[str, str]:
    """This process's own, without what would point the programs elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ASTRAEA_")}
