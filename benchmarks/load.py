"""What the benchmarks of the edge server share: servers on cores of their own, and a load that hardly costs any."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

_START_S = 60.0
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Exchange:
    """One request and its reply."""

    began_s: float
    """By `time.perf_counter`."""
    ms: float
    status: int
    """0 when the connection broke or nothing came in time."""
    body: bytes


def split_cores() -> tuple[set[int], set[int]]:
    """The core of the server, and those of the load."""
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        sys.exit("this needs two CPU cores: one for the server, one for the load")
    return {first}, set(others)


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Keep this thread, and the processes that it starts meanwhile, on some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(
    command: Sequence[str],
    port: int,
    cores: set[int],
    path: str = "/readyz",
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[int]:
    """Run a server on some cores; its process id, once `path` answers."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ASTRAEA_")} | dict(variables)
    with pinned(cores):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with process:
        try:
            _await_answer(process, port, path)
            yield process.pid
        finally:
            process.terminate()


def edge_server_command(folder: str, port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "astraea.deployer", "serve", folder, "--port", str(port), *options]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def queued_s(pid: int) -> float:
    """How long a process's first thread has been kept off its core by others, in seconds.

    From `/proc/PID/schedstat`: https://docs.kernel.org/scheduler/sched-stats.html.
    """
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as schedstat:  # noqa: PTH123 - a path of the kernel's
        return int(schedstat.read().split()[1]) / 1e9


def cpu_s(pid: int) -> float:
    """CPU time that a process and its threads have used, to 10 ms; see proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - a path of the kernel's
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that it has started and that still run; see proc_tid_children(5)."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def tree_cpu_s(pid: int) -> float:
    """CPU time that a process and all those below it have used, to 10 ms each."""
    return sum(cpu_s(member) for member in tree(pid))


def rss_bytes(pid: int) -> int:
    """Memory that a process holds now; see proc_pid_statm(5)."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:  # noqa: PTH123 - a path of the kernel's
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def post(
    connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str], path: str = "/predict"
) -> Exchange:
    """`POST` over a connection that is kept open."""
    began_s = time.perf_counter()
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        status, answer = response.status, response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        status, answer = 0, b""
    return Exchange(began_s, (time.perf_counter() - began_s) * 1e3, status, answer)


def closed_loop(
    url: str,
    body: bytes,
    *,
    concurrency: int,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    path: str = "/predict",
    ready: Callable[[], None] = lambda: None,
) -> list[Exchange]:
    """So many clients, each sending its next request as soon as it has its answer; see `in_closed_loop`."""

    @contextmanager
    def client() -> Iterator[Callable[[], Exchange]]:
        connection = connect(url)
        connection.connect()
        yield lambda: post(connection, body, headers or {}, path)
        connection.close()

    return in_closed_loop(client, concurrency, seconds, ready)


def in_closed_loop(
    client: Callable[[], AbstractContextManager[Callable[[], Exchange]]],
    concurrency: int,
    seconds: float,
    ready: Callable[[], None] = lambda: None,
) -> list[Exchange]:
    """So many clients, each asking anew as soon as it has its answer; `ready` is called when all have connected."""
    exchanges: list[Exchange] = []
    connected = threading.Barrier(concurrency, ready)

    def work() -> None:
        with client() as ask:
            connected.wait(_TIMEOUT_S)
            end_s = time.perf_counter() + seconds
            while time.perf_counter() < end_s:
                exchanges.append(ask())

    in_threads(concurrency, work)
    return exchanges


def in_threads(count: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)


def _await_answer(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and process.poll() is None:
        connection = connect(f"http://127.0.0.1:{port}")
        try:
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    sys.exit(f"{' '.join(process.args)} did not start")  # type: ignore[arg-type] # a list of strings
