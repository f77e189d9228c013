"""What copying requests to a canary costs who answers them: `python -m benchmarks.shadowing`.

The plate detector at 320 x 320 answers a JPEG of 68 kB to one client after the other; a broker tells it to copy none, a
tenth, or all of the requests to another revision. Its server has one core; broker, canary and load have the others. The
shares take turns of a second or two, so that what the machine does meanwhile falls on all alike.

Added CPU is the server's CPU time less what the detector itself took in the same seconds.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

from astraea.protocol.broker_api import Sharing, calls
from astraea.protocol.broker_api.client import BrokerApi

from .load import closed_loop, cpu_s, edge_server_command, free_port, pinned, server, split_cores
from .overhead import photo

_FOLDER = str(Path(__file__).parent / "services" / "finder")
_FRAME_SIZE_PX = (640, 640)
_FRAME_BYTES = 68_000
_SHARES = (0.0, 0.1, 1.0)
_LEASE_S = 1.0
_HEARD_S = 1.0
"""Three heartbeats: the server has been told of another share."""


class Turn(NamedTuple):
    """A request's figures while one share was copied."""

    requests: int
    copied: int
    """In all."""
    p50_ms: float
    detector_cpu_ms: float
    added_cpu_ms: float


class Fleet(NamedTuple):
    """What runs."""

    broker: BrokerApi
    url: str
    """Of the server that is measured."""
    pid: int
    load_cores: set[int]


@contextmanager
def fleet() -> Iterator[Fleet]:
    server_cores, load_cores = split_cores()
    with ExitStack() as stack:
        store = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "broker.db"
        ports = broker, stable, canary = free_port(), free_port(), free_port()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        told = ("--port", str(broker), "--lease-s", str(_LEASE_S), "--store", str(store))
        command = [sys.executable, "-m", "astraea.deployer", "broker", *told]
        stack.enter_context(server(command, broker, load_cores))
        pids = [
            stack.enter_context(
                server(edge_server_command(_FOLDER, port, "--broker", urls[0], "--revision", revision), port, cores)
            )
            for port, revision, cores in ((stable, "1", server_cores), (canary, "2", load_cores))
        ]
        client = stack.enter_context(httpx.Client(trust_env=False))
        yield Fleet(BrokerApi(client, urls[0]), urls[1], pids[0], load_cores)


def turn(running: Fleet, service: str, frame: bytes, share: float, seconds: float) -> Turn:
    running.broker.send(calls.share_out(service, Sharing(weights={"2": 0, "1": 100}, shadow_share=share)))
    time.sleep(_HEARD_S)
    copied, cpu_began = compared(running.url), cpu_s(running.pid)
    exchanges = closed_loop(running.url, frame, concurrency=1, seconds=seconds)
    cpu_ms = (cpu_s(running.pid) - cpu_began) * 1e3
    if failed := [exchange for exchange in exchanges if exchange.status != 200]:
        sys.exit(f"{running.url} answered {failed[0].status}: {failed[0].body[:200]!r}")
    detector_ms = sum(json.loads(exchange.body)["detector_cpu_ms"] for exchange in exchanges)
    return Turn(
        len(exchanges),
        compared(running.url) - copied,
        statistics.median(exchange.ms for exchange in exchanges),
        detector_ms / len(exchanges),
        (cpu_ms - detector_ms) / len(exchanges),
    )


def compared(url: str) -> int:
    """Copies that were answered so far."""
    metrics = text_string_to_metric_families(httpx.get(f"{url}/metrics", trust_env=False).text)
    samples = [sample for family in metrics for sample in family.samples if sample.name == "astraea_shadowed_total"]
    return int(sum(sample.value for sample in samples if sample.labels["outcome"] == "compared"))


def summary(turns: Sequence[Turn]) -> Turn:
    """Counts in all, medians of the rest."""
    requests, copied, *times = zip(*turns, strict=True)
    return Turn(sum(requests), sum(copied), *map(statistics.median, times))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shadowing", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each share (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a turn takes (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    frame = photo(_FRAME_SIZE_PX, _FRAME_BYTES)
    turns: dict[float, list[Turn]] = {share: [] for share in _SHARES}
    with fleet() as running, pinned(running.load_cores):
        (service,) = running.broker.send(calls.services())
        turn(running, service.name, frame, 1.0, given.seconds)  # warms up
        for _ in range(given.rounds):
            for share in _SHARES:
                turns[share].append(turn(running, service.name, frame, share, given.seconds))
    results = {share: summary(of_share) for share, of_share in turns.items()}
    print(f"{'copied':>7} {'requests':>9} {'copies':>7} {'p50 ms':>8} {'detector':>9} {'added CPU ms':>13}")
    for share, found in results.items():
        print(
            f"{share:7.0%} {found.requests:9} {found.copied:7} {found.p50_ms:8.2f} {found.detector_cpu_ms:9.2f} "
            f"{found.added_cpu_ms:13.3f}"
        )
    none, tenth, every = (results[share] for share in _SHARES)
    print(f"a tenth costs a request {tenth.added_cpu_ms - none.added_cpu_ms:.3f} ms of CPU more than none")
    print(f"a copy costs {every.added_cpu_ms - none.added_cpu_ms:.3f} ms of CPU")
    if given.json:
        given.json.write_text(json.dumps({str(share): found._asdict() for share, found in results.items()}, indent=2))


if __name__ == "__main__":
    main()
