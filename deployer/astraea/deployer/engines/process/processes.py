"""Processes of instances: started, or found again by what they run."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from .. import InstancePlan
from ..serving import serve_options


def serve_command(plan: InstancePlan, service_folder: Path, port: int) -> list[str]:
    """The command line that runs an instance."""
    # -P: a service's `json.py` must not stand in for the standard one.
    return [sys.executable, "-P", "-m", "astraea.deployer", "serve", str(service_folder), *serve_options(plan, port)]


def free_port(host: str, preferred: int | None) -> int:
    """The preferred port if it is free on this address, else one that is.

    Raises:
        OSError: the address is none of this machine's.
    """
    try:
        return _bind(host, preferred or 0)
    except OSError:
        return _bind(host, 0)


def _bind(host: str, port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: old connections don't count
        probe.bind((host, port))
        bound: int = probe.getsockname()[1]
        return bound


class InstanceProcess:
    """A running instance. Its service's folder, named on its command line, tells it from every other process."""

    def __init__(self, pid: int, service_folder: Path, child: "subprocess.Popen[bytes] | None" = None) -> None:
        self.pid, self._service_folder, self._child = pid, service_folder, child

    @classmethod
    def start(cls, command: list[str], service_folder: Path, log: Path, env: Mapping[str, str] | None = None) -> Self:
        """Start a process that outlives this one, in a session of its own, with this process's environment and `env`.

        Raises:
            OSError: it can't be started.
        """
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                cwd=service_folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            )
        return cls(child.pid, service_folder, child)

    @classmethod
    def find(cls, service_folder: Path) -> Self | None:
        """The process that serves this folder, whoever started it."""
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
        return next((cls(pid, service_folder) for pid in pids if _serves(pid, service_folder)), None)

    def ended(self) -> str | None:
        """How the process ended, e.g. `exit status 1`; None while it lives."""
        if self._child is None:
            return None if _serves(self.pid, self._service_folder) else "ended while no agent watched"
        code = self._child.poll()
        if code is None:
            return None
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to those it has started."""
        with contextlib.suppress(ProcessLookupError):
            if self.ended() is None:
                os.killpg(self.pid, number)


def _serves(pid: int, service_folder: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False  # it has just ended, or is another user's
    return b"serve" in arguments and os.fsencode(service_folder) in arguments
