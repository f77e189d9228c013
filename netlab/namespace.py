"""A network namespace: a host's interfaces, addresses and routes, which only the processes in it see."""

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from .errors import NetlabError

_CLONE_NEWNET = 0x40000000
"""See namespaces(7)."""
_END_S = 10.0
_TUN_DEVICE = "/dev/net/tun"


def unavailable() -> str:
    """Why there can be no namespaces and links here; empty where they can be."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    missing = [tool for tool in ("ip", "nsenter") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found: apt install iproute2 util-linux"
    if not os.access(_TUN_DEVICE, os.R_OK | os.W_OK):
        return f"there is no {_TUN_DEVICE} to build links with"
    try:
        Namespace().close()
    except OSError as error:
        return f"network namespaces are not allowed here: {error.strerror}"
    return ""


class Namespace:
    """A host that has nothing but its own loopback yet. Use it as a context manager, or `close` it.

    Attributes:
        fd: an open file that stands for it; it lasts as long as this file, or a process in it.
    """

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[Any]] = []
        self.fd = _create()
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes started in it, the last one first, and let go of it."""
        while self._processes:
            _end(self._processes.pop())
        os.close(self.fd)

    def start(self, command: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """Run a command in it, as `subprocess.Popen` would; the process ends with the namespace at the latest."""
        options["pass_fds"] = (*options.get("pass_fds", ()), self.fd)
        process = subprocess.Popen([*self._enter, *command], **options)
        self._processes.append(process)
        return process

    def run(self, *command: str) -> str:
        """Run a command in it to its end; what it printed.

        Raises:
            NetlabError: the command failed; the message is what it said.
        """
        done = subprocess.run(
            [*self._enter, *command], pass_fds=(self.fd,), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise NetlabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the namespace, and stay in it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _system_call("setns", self.fd, _CLONE_NEWNET)
            try:
                yield
            finally:
                _system_call("setns", home, _CLONE_NEWNET)
        finally:
            os.close(home)

    @property
    def _enter(self) -> list[str]:
        return ["nsenter", f"--net=/proc/self/fd/{self.fd}", "--"]


def _create() -> int:
    """A new namespace's file, made by a thread of its own so that the caller stays where it is."""
    made: list[int | OSError] = []

    def make() -> None:
        try:
            _system_call("unshare", _CLONE_NEWNET)
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _system_call(name: str, *arguments: int) -> None:
    """One of the C library's; `os` has these from Python 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _end(process: "subprocess.Popen[Any]") -> None:
    with process:  # which closes its pipes
        process.terminate()
        try:
            process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:  # it hangs, or has been stopped
            process.kill()
            process.wait()
