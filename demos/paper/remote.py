"""The device's program, from where the experiment is led."""

import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from benchmarks.field import ROOT

PIPES: dict[str, Any] = {"cwd": ROOT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


class RemoteError(Exception):
    """The device's program did not start, or ended too soon; what it said of that is on standard error."""


def command(arguments: Sequence[str]) -> list[str]:
    """What starts the program, with `PIPES`."""
    return [sys.executable, "-m", "demos.paper.device", *arguments]


class Remote:
    """A running program. Use it as a context manager, or `close` it.

    Raises:
        RemoteError: it does not start.

    Attributes:
        pid: of its process.
        unslowed: what its inference takes before anything slows it down, see `device.Device.ready`.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid
        self.unslowed: dict[str, float] = self._hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def order(self, do: str, **options: Any) -> Any:
        """Have it do something, one of `device.Device`'s methods, and hear what came of it.

        Raises:
            RemoteError: it has ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps({"do": do, **options}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RemoteError("the device's program has ended") from None
        return self._hear()

    def close(self) -> None:
        """End it at once: a slow device would take long to leave in order."""
        with self._process:
            self._process.kill()

    def _hear(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if not (line := self._process.stdout.readline()):
            raise RemoteError("the device's program has ended")
        return json.loads(line)
