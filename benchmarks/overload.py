"""Ten times more than an edge server can do, for half a minute: `python -m benchmarks.overload`.

The plate detector at 320 x 320 behind the edge server, on one core; the load on the others sends JPEGs of 68 kB at ten
times the rate that the server was just seen to reach, each with a key and a deadline. What is taken on must be answered
within it, the rest refused at once, nothing may hang, and memory must stay where it is.
"""

import argparse
import json
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .load import (
    Exchange,
    closed_loop,
    connect,
    edge_server_command,
    free_port,
    in_threads,
    pinned,
    post,
    rss_bytes,
    server,
    split_cores,
)
from .overhead import photo

_FOLDER = Path(__file__).parent / "services" / "finder"
_CLIENTS = 96
_CAPACITY_S = 4.0


@dataclass(frozen=True)
class Figures:
    """What became of the requests."""

    capacity_per_second: float
    sent_per_second: float
    deadline_ms: int
    answered: int
    answered_per_second: float
    answered_p50_ms: float
    answered_p99_ms: float
    late: int
    """Answered after the deadline."""
    refused: dict[str, int]
    """By status."""
    refused_p50_ms: float
    refused_p99_ms: float
    hung: int
    """Neither answered nor refused."""
    rss_before_bytes: int
    rss_most_bytes: int


def quantile_ms(exchanges: Sequence[Exchange], percent: int) -> float:
    if len(exchanges) < 2:
        return float("nan")
    return statistics.quantiles([exchange.ms for exchange in exchanges], n=100, method="inclusive")[percent - 1]


def open_loop(
    url: str, frame: bytes, headers: Mapping[str, str], *, per_second: float, seconds: float
) -> list[Exchange]:
    """Requests at a steady rate, whether those before are answered or not."""
    exchanges: list[Exchange] = []
    began = time.perf_counter()
    turn = iter(range(int(per_second * seconds)))
    lock = threading.Lock()

    def client() -> None:
        connection = connect(url)
        while True:
            with lock:
                number = next(turn, None)
            if number is None or time.perf_counter() > began + seconds:
                break
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            exchanges.append(post(connection, frame, headers))
        connection.close()

    in_threads(_CLIENTS, client)
    return exchanges


def measure(pid: int, url: str, frame: bytes, *, key: str, seconds: float, times: float, deadline_ms: int) -> Figures:
    authorized = {"authorization": f"Bearer {key}"}
    calm = closed_loop(url, frame, concurrency=4, seconds=_CAPACITY_S, headers=authorized)
    capacity = sum(exchange.status == 200 for exchange in calm) / _CAPACITY_S
    before = most = rss_bytes(pid)
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.1):
            most = max(most, rss_bytes(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    headers = authorized | {"astraea-deadline-ms": str(deadline_ms)}
    exchanges = open_loop(url, frame, headers, per_second=capacity * times, seconds=seconds)
    took = time.perf_counter() - began
    over.set()
    watching.join()
    answered = [exchange for exchange in exchanges if exchange.status == 200]
    refused = [exchange for exchange in exchanges if exchange.status not in (0, 200)]
    return Figures(
        capacity_per_second=capacity,
        sent_per_second=len(exchanges) / took,
        deadline_ms=deadline_ms,
        answered=len(answered),
        answered_per_second=len(answered) / took,
        answered_p50_ms=quantile_ms(answered, 50),
        answered_p99_ms=quantile_ms(answered, 99),
        late=sum(exchange.ms > deadline_ms for exchange in answered),
        refused={str(status): count for status, count in Counter(exchange.status for exchange in refused).items()},
        refused_p50_ms=quantile_ms(refused, 50),
        refused_p99_ms=quantile_ms(refused, 99),
        hung=len(exchanges) - len(answered) - len(refused),
        rss_before_bytes=before,
        rss_most_bytes=most,
    )


def table(f: Figures) -> str:
    refused = ", ".join(f"{count} x {status}" for status, count in f.refused.items())
    return "\n".join(
        (
            f"capacity {f.capacity_per_second:.0f}/s; sent {f.sent_per_second:.0f}/s, deadline {f.deadline_ms} ms",
            (
                f"answered {f.answered} ({f.answered_per_second:.0f}/s), {f.late} of them late: "
                f"p50 {f.answered_p50_ms:.0f} ms, p99 {f.answered_p99_ms:.0f} ms"
            ),
            f"refused {refused}: p50 {f.refused_p50_ms:.1f} ms, p99 {f.refused_p99_ms:.1f} ms",
            f"hung {f.hung}; memory {f.rss_before_bytes / 1e6:.0f} MB before, {f.rss_most_bytes / 1e6:.0f} MB at most",
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long (default: %(default)s)")
    parser.add_argument("--times", type=float, default=10.0, help="the capacity (default: %(default)s)")
    parser.add_argument("--deadline-ms", type=int, default=300, help="of each request (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    sys.setswitchinterval(0.0005)  # so that a reply isn't timed late because another thread has the interpreter
    server_cores, load_cores = split_cores()
    port, key = free_port(), secrets.token_urlsafe(32)
    frame = photo((640, 640), 68_000)
    with tempfile.NamedTemporaryFile("w") as key_file:
        key_file.write(key)
        key_file.flush()
        command = edge_server_command(str(_FOLDER), port, "--api-key-file", key_file.name)
        with server(command, port, server_cores) as pid, pinned(load_cores):
            figures = measure(
                pid,
                f"http://127.0.0.1:{port}",
                frame,
                key=key,
                seconds=given.seconds,
                times=given.times,
                deadline_ms=given.deadline_ms,
            )
    print(table(figures))
    if given.json:
        given.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")


if __name__ == "__main__":
    main()
