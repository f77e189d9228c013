"""What serving adds to a detector, by server: `python -m benchmarks.serving`.

The plate detector at 320 x 320 answers a JPEG of 68 kB in this process (the floor), behind bare FastAPI and uvicorn,
and behind the edge server with authentication, limits, metrics and batching on: asked by requests, and over streams
(WebSocket). The server has one core, the load the others. They take turns of a second or two, so that what the machine
does meanwhile falls on all alike. All of them are started several times: where a process's weights come to lie in
memory makes a difference of some percent, which stays while it lives.

Added CPU is the server's CPU time less what the detector itself took in that server in the same seconds.
"""

import argparse
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from astraea.edge_server.handler import import_handler, load_model
from astraea.models import pull

from .load import (
    Exchange,
    closed_loop,
    cpu_s,
    edge_server_command,
    free_port,
    in_closed_loop,
    pinned,
    server,
    split_cores,
)
from .overhead import photo
from .stream_load import stream_client

_FOLDER = Path(__file__).parent / "services" / "finder"
_FRAME_SIZE_PX = (640, 640)
_FRAME_BYTES = 68_000
_CONCURRENCY = (1, 8)
_WARM_UP_S = 0.5
_BOUND_ADDED, _BOUND_THROUGHPUT = 0.65, 0.95


@dataclass(frozen=True)
class Turn:
    """What one server did in one turn."""

    requests: int
    seconds: float
    ms: list[float]
    """Each request's time, sorted."""
    detector_cpu_ms: float
    """In all."""
    cpu_ms: float
    """Of the server, in all."""


@dataclass(frozen=True)
class Figures:
    """Medians over the turns of one server at one concurrency."""

    side: str
    concurrency: int
    requests: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    detector_cpu_ms: float
    """A request."""
    added_cpu_ms: float
    """A request."""

    @property
    def cpu_ms(self) -> float:
        """A request."""
        return self.detector_cpu_ms + self.added_cpu_ms


Side = Callable[[bytes, int, float], Turn]
"""Has a frame answered by so many clients for so many seconds."""


Load = Callable[[str, bytes, Mapping[str, str], int, float, Callable[[], None]], list[Exchange]]
"""Has a server answer a frame, with these headers, to so many clients for so many seconds; told when they connected."""


def floor(predict: Callable[[bytes], Any], cores: set[int], frame: bytes, _concurrency: int, seconds: float) -> Turn:
    """One frame after the other in this process."""
    times: list[float] = []
    detector_ms = 0.0
    with pinned(cores):
        began, cpu_began = time.perf_counter(), time.thread_time()
        while time.perf_counter() < began + seconds:
            started = time.perf_counter()
            detector_ms += predict(frame)["detector_cpu_ms"]
            times.append((time.perf_counter() - started) * 1e3)
        cpu_ms = (time.thread_time() - cpu_began) * 1e3
    return Turn(len(times), time.perf_counter() - began, sorted(times), detector_ms, cpu_ms)


def requests(  # noqa: PLR0917 - Load's
    url: str, frame: bytes, headers: Mapping[str, str], concurrency: int, seconds: float, ready: Callable[[], None]
) -> list[Exchange]:
    headers = {"content-type": "application/octet-stream", **headers}
    return closed_loop(url, frame, concurrency=concurrency, seconds=seconds, headers=headers, ready=ready)


def streams(  # noqa: PLR0917 - Load's
    url: str, frame: bytes, headers: Mapping[str, str], concurrency: int, seconds: float, ready: Callable[[], None]
) -> list[Exchange]:
    return in_closed_loop(partial(stream_client, url, frame, headers), concurrency, seconds, ready)


def served(load: Load, pid: int, port: int, key: str, frame: bytes, /, concurrency: int, seconds: float) -> Turn:  # noqa: PLR0917 - Side's
    """By a server, to clients that are connected already."""
    url = f"http://127.0.0.1:{port}"
    cpu_began = began = 0.0

    def ready() -> None:
        nonlocal cpu_began, began
        cpu_began, began = cpu_s(pid), time.perf_counter()

    exchanges = load(url, frame, {"authorization": f"Bearer {key}"}, concurrency, seconds, ready)
    took = time.perf_counter() - began
    cpu_ms = (cpu_s(pid) - cpu_began) * 1e3
    if failed := [exchange for exchange in exchanges if exchange.status != 200]:
        sys.exit(f"{url} answered {failed[0].status}: {failed[0].body[:200]!r}")
    detector_ms = sum(json.loads(exchange.body)["detector_cpu_ms"] for exchange in exchanges)
    return Turn(len(exchanges), took, sorted(exchange.ms for exchange in exchanges), detector_ms, cpu_ms)


def figures(side: str, concurrency: int, turns: Sequence[Turn]) -> Figures:
    times = sorted(ms for turn in turns for ms in turn.ms)
    quantiles = statistics.quantiles(times, n=100, method="inclusive")
    return Figures(
        side,
        concurrency,
        len(times),
        statistics.median(turn.requests / turn.seconds for turn in turns),
        quantiles[49],
        quantiles[94],
        quantiles[98],
        statistics.median(turn.detector_cpu_ms / turn.requests for turn in turns),
        statistics.median((turn.cpu_ms - turn.detector_cpu_ms) / turn.requests for turn in turns),
    )


def measure(frame: bytes, starts: int, rounds: int, seconds: float) -> list[Figures]:
    turns: dict[tuple[str, int], list[Turn]] = {}
    for _ in range(starts):
        with all_sides() as sides:
            for number in range(-1, rounds):  # the first round warms up
                for concurrency in _CONCURRENCY:
                    for name, side in sides.items():
                        turn = side(frame, concurrency, seconds if number >= 0 else _WARM_UP_S)
                        if number >= 0:
                            turns.setdefault((name, concurrency), []).append(turn)
    return [figures(name, concurrency, of_side) for (name, concurrency), of_side in turns.items()]


def ratios(results: Sequence[Figures]) -> dict[str, float]:
    """What the bounds are about."""
    by = {(result.side, result.concurrency): result for result in results}
    added = {
        f"added_{side}_to_{other}_c{number}": by[side, number].added_cpu_ms / by[other, number].added_cpu_ms
        for side, other in (("astraea", "fastapi"), ("stream", "fastapi"), ("stream", "astraea"))
        for number in _CONCURRENCY
    }
    most = max(_CONCURRENCY)
    throughput = {
        f"throughput_{side}_to_floor_c{most}": by[side, most].per_second / by["floor", most].per_second
        for side in ("fastapi", "astraea", "stream")
    }
    # The same, less what others on this machine took of the core: requests by CPU second.
    per_cpu = {
        f"per_cpu_second_{side}_to_floor_c{most}": by["floor", most].cpu_ms / by[side, most].cpu_ms
        for side in ("fastapi", "astraea", "stream")
    }
    return added | throughput | per_cpu


def table(results: Sequence[Figures], of: Mapping[str, float]) -> str:
    lines = [
        f"{'':10}{'at once':>8}{'req/s':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'detector':>10}{'added CPU ms':>14}"
    ]
    lines += [
        f"{r.side:10}{r.concurrency:8}{r.per_second:9.1f}{r.p50_ms:9.2f}{r.p95_ms:9.2f}{r.p99_ms:9.2f}"
        f"{r.detector_cpu_ms:10.2f}{r.added_cpu_ms:14.3f}"
        for r in results
    ]
    lines += [f"{name}: {value:.3f}" for name, value in of.items()]
    return "\n".join(lines)


@contextmanager
def all_sides() -> Iterator[dict[str, Side]]:
    """The floor in this process, and both servers, started anew."""
    server_cores, load_cores = split_cores()
    key = secrets.token_urlsafe(32)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key_file = scratch / "key"
        key_file.write_text(key)
        bare, ours = free_port(), free_port()
        bare_command = [sys.executable, "-m", "benchmarks.bare_fastapi", str(_FOLDER), str(bare)]
        our_command = edge_server_command(str(_FOLDER), ours, "--api-key-file", str(key_file))
        bare_pid = stack.enter_context(server(bare_command, bare, server_cores, "/docs"))
        our_pid = stack.enter_context(server(our_command, ours, server_cores))
        with pinned(server_cores):
            handler = import_handler(_FOLDER / "handler.py")
            model = load_model(handler, pull("plates"))
        stack.enter_context(pinned(load_cores))
        yield {
            "floor": partial(floor, partial(handler.predict, model), server_cores),
            "fastapi": partial(served, requests, bare_pid, bare, key),
            "astraea": partial(served, requests, our_pid, ours, key),
            "stream": partial(served, streams, our_pid, ours, key),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=6, help="of each server (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each start (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="how long a turn takes (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    frame = photo(_FRAME_SIZE_PX, _FRAME_BYTES)
    results = measure(frame, given.starts, given.rounds, given.seconds)
    found = ratios(results)
    print(f"a JPEG of {len(frame) / 1e3:.0f} kB, the plate detector at 320 x 320, one core for the server")
    print(table(results, found))
    print(f"bounds: added by astraea to bare FastAPI's <= {_BOUND_ADDED}, throughput to floor >= {_BOUND_THROUGHPUT}")
    if given.json:
        document = {"frame_bytes": len(frame), "sides": [asdict(result) for result in results], "ratios": found}
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
