"""The broker with a large fleet: `python -m benchmarks.broker`.

A real broker process has one core, the load the others. The fleet's instances are written to its store beforehand, as
after a restart; then they send heartbeats every few seconds throughout, while devices at random places ask for
candidates: at a steady rate, and as fast as answers come. The floor is `GET /livez` of the same broker at that moment:
what its HTTP server needs for an answer without any work.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import uvloop

from astraea.broker import SqliteStore
from astraea.broker.store import Key, Kind
from astraea.protocol import Instance

from .load import cpu_s, free_port, pinned, queued_s, rss_bytes, server, split_cores

_HEARTBEAT_S = 5.0
_MOST_HEARTBEATS = 2000
"""Per second: of 10,000 instances every 5 s. A larger fleet has longer leases, as its operator would choose them."""
_CONNECTIONS = 32
_BOUNDS = "p99 <= 10 ms at 500/s, >= 1500/s at saturation, heartbeats <= 60 % of the core, start <= 3 s, RSS <= 400 MB"


@dataclass(frozen=True)
class Figures:
    """What one size of fleet takes."""

    instances: int
    services: int
    start_s: float
    rss_bytes: int
    heartbeats_per_second: float
    heartbeats_cpu: float
    """Share of the core that heartbeats alone take."""
    rate: float
    p50_ms: float
    p99_ms: float
    """At that rate, with heartbeats."""
    kept_waiting: float
    """Share of that time in which the broker could have worked, but other processes had its core."""
    saturated_per_second: float
    """Without heartbeats."""
    with_heartbeats_per_second: float
    cpu_ms: float
    """Of the broker for one answer with candidates, without heartbeats."""
    floor_cpu_ms: float
    """Of the broker for one answer without work."""


def heartbeat_s(instances: int) -> float:
    """How often each instance of a fleet sends one; its lease is three times that."""
    return max(_HEARTBEAT_S, instances / _MOST_HEARTBEATS)


class Client(asyncio.Protocol):
    """One connection that sends prepared requests and counts answers; hardly costs anything itself."""

    def __init__(self, done: Callable[[float], None]) -> None:
        self._done = done
        self._sent: deque[float] = deque()
        self._buffer = b""
        self._expected = 0
        self.waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Send a request; its time counts from when it was due."""
        self._sent.append(due)
        self.waiting += 1
        self._transport.write(request)  # type: ignore[attr-defined] # a stream's

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        while self._whole():
            self.waiting -= 1
            self._done(time.perf_counter() - self._sent.popleft())

    def _whole(self) -> bool:
        """Take one answer off the buffer, if it is all there."""
        if not self._expected:
            head, found, _ = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return False
            if not head.startswith(b"HTTP/1.1 200"):
                sys.exit(f"the broker answers {head[:80]!r}")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            self._expected = len(head) + 4 + int(length)
        if len(self._buffer) < self._expected:
            return False
        self._buffer, self._expected = self._buffer[self._expected :], 0
        return True


class Load:
    """Connections to the broker, and what is sent over them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seconds: list[float] = []
        self.heartbeats = 0

    async def connect(self, count: int, done: Callable[[float], None]) -> list[Client]:
        """So many connections, that call `done` with each answer's time in seconds."""
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(lambda: Client(done), "127.0.0.1", self.port) for _ in range(count)]
        return [client for _, client in made]

    async def steady(self, requests: Iterator[bytes], per_second: float, seconds: float) -> None:
        """At a rate, whether answers come or not."""
        clients = cycle(await self.connect(_CONNECTIONS, self.seconds.append))
        await self._pace(clients, requests, per_second, seconds)
        await asyncio.sleep(0.5)

    async def saturate(self, requests: Iterator[bytes], seconds: float, at_once: int = _CONNECTIONS) -> float:
        """The next as soon as an answer comes; answers per second."""
        count = 0
        end = time.perf_counter() + seconds

        def again(client: Client) -> None:
            nonlocal count
            count += 1
            if time.perf_counter() < end:
                client.send(next(requests), time.perf_counter())

        for _ in range(at_once):
            holder: list[Client] = []
            [client] = await self.connect(1, lambda _, holder=holder: again(holder[0]))  # type: ignore[misc]
            holder.append(client)
            client.send(next(requests), time.perf_counter())
        await asyncio.sleep(seconds)
        return count / seconds

    async def beat(self, heartbeats: Sequence[bytes], seconds: float) -> None:
        """Every instance's heartbeat, evenly over the interval."""

        def counted(_: float) -> None:
            self.heartbeats += 1

        clients = cycle(await self.connect(_CONNECTIONS, counted))
        await self._pace(clients, cycle(heartbeats), len(heartbeats) / heartbeat_s(len(heartbeats)), seconds)

    async def _pace(
        self, clients: Iterator[Client], requests: Iterator[bytes], per_second: float, seconds: float
    ) -> None:
        began = time.perf_counter()
        for number in range(int(per_second * seconds)):
            due = began + number / per_second
            if (ahead := due - time.perf_counter()) > 0.001:
                await asyncio.sleep(ahead)
            next(clients).send(next(requests), due)


def fleet(instances: int, services: int) -> list[Instance]:
    chance = random.Random(7)  # noqa: S311 - a benchmark's
    return [
        Instance.model_validate(
            {
                "id": f"instance-{number}",
                "service": f"service-{number % services}",
                "revision": "1.0.0-abc",
                "url": f"http://10.{number >> 16}.{number >> 8 & 255}.{number & 255}:8000",
                "node": f"node-{number // 10}",
                "region": f"region-{number % 50}",
                "location": {"lat": chance.uniform(-60, 70), "lon": chance.uniform(-180, 180)},
                "load": {"in_flight": chance.randrange(4), "capacity": 8, "service_ms": chance.uniform(20, 80)},
            }
        )
        for number in range(instances)
    ]


def questions(services: int) -> Iterator[bytes]:
    chance = random.Random(8)  # noqa: S311 - a benchmark's
    prepared = [
        (
            f"GET /v1/services/service-{chance.randrange(services)}/candidates?lat={chance.uniform(-60, 70):.3f}"
            f"&lon={chance.uniform(-180, 180):.3f}&device=d{number} HTTP/1.1\r\nhost: broker\r\n\r\n"
        ).encode()
        for number in range(5000)
    ]
    return cycle(prepared)


def heartbeat(instance: Instance) -> bytes:
    body = instance.model_dump_json().encode()
    head = f"PUT /v1/instances/{instance.id} HTTP/1.1\r\nhost: broker\r\ncontent-type: application/json\r\n"
    return head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def running_broker(instances: Sequence[Instance], cores: set[int]) -> Iterator[tuple[int, int, float]]:
    """A broker that finds this fleet in its store: process id, port, and how long it took to start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broker.db"
        with closing(SqliteStore(path)) as store:
            store.write({Key(Kind.INSTANCE, instance.id): instance.model_dump_json() for instance in instances})
        port = free_port()
        command = [sys.executable, "-m", "astraea.deployer", "broker", "--port", str(port), "--store", str(path)]
        began = time.perf_counter()
        with server([*command, "--lease-s", str(3 * heartbeat_s(len(instances)))], port, cores) as pid:
            yield pid, port, time.perf_counter() - began


async def measure(
    pid: int, port: int, start_s: float, instances: Sequence[Instance], given: argparse.Namespace
) -> Figures:
    heartbeats = [heartbeat(instance) for instance in instances]
    load, asked = Load(port), questions(given.services)

    async def cpu_of(work: Callable[[], object], seconds: float) -> float:
        before = cpu_s(pid)
        await work()  # type: ignore[misc] # a coroutine function
        return (cpu_s(pid) - before) / seconds

    gc.disable()  # a pause of the load's own would be counted as the broker's
    beaten_s = max(_HEARTBEAT_S, given.seconds)
    share = await cpu_of(lambda: load.beat(heartbeats, beaten_s), beaten_s)
    beating = asyncio.create_task(load.beat(heartbeats, 2 * given.seconds + 1))
    queued = queued_s(pid)
    await load.steady(asked, given.rate, given.seconds)
    queued = queued_s(pid) - queued
    saturated = await load.saturate(asked, given.seconds)
    await beating
    await asyncio.sleep(1)
    beats = load.heartbeats / (beaten_s + 2 * given.seconds + 1)
    rates: list[float] = []

    async def saturate(requests: Iterator[bytes]) -> None:
        rates.append(await load.saturate(requests, given.seconds))

    cpu = await cpu_of(lambda: saturate(asked), given.seconds)
    floor = await cpu_of(lambda: saturate(cycle([b"GET /livez HTTP/1.1\r\nhost: broker\r\n\r\n"])), given.seconds)
    quantiles = statistics.quantiles(load.seconds, n=100, method="inclusive")
    return Figures(
        instances=len(instances),
        services=given.services,
        start_s=start_s,
        rss_bytes=rss_bytes(pid),
        heartbeats_per_second=beats,
        heartbeats_cpu=share,
        rate=given.rate,
        p50_ms=quantiles[49] * 1e3,
        p99_ms=quantiles[98] * 1e3,
        kept_waiting=queued / given.seconds,
        saturated_per_second=rates[0],
        with_heartbeats_per_second=saturated,
        cpu_ms=cpu / rates[0] * 1e3,
        floor_cpu_ms=floor / rates[1] * 1e3,
    )


def table(results: Sequence[Figures]) -> str:
    head = (
        f"{'instances':>9}{'start s':>9}{'RSS MB':>8}{'beats/s':>9}{'of core':>9}"
        f"{'p50 ms':>8}{'p99 ms':>8}{'queued':>8}{'most/s':>8}{'+ beats':>8}{'CPU ms':>8}{'floor':>8}{'ratio':>7}"
    )
    lines = [head]
    lines += [
        f"{r.instances:9}{r.start_s:9.2f}{r.rss_bytes / 1e6:8.0f}{r.heartbeats_per_second:9.0f}{r.heartbeats_cpu:9.1%}"
        f"{r.p50_ms:8.2f}{r.p99_ms:8.2f}{r.kept_waiting:8.1%}{r.saturated_per_second:8.0f}"
        f"{r.with_heartbeats_per_second:8.0f}{r.cpu_ms:8.3f}{r.floor_cpu_ms:8.3f}{r.cpu_ms / r.floor_cpu_ms:7.2f}"
        for r in results
    ]
    if len(results) > 1:
        lines.append(
            f"a request costs {results[-1].cpu_ms / results[0].cpu_ms:.2f} times as much with"
            f" {results[-1].instances / results[0].instances:.0f} times the instances"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.broker", description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, nargs="+", default=[10_000], help="sizes of the fleet (%(default)s)")
    parser.add_argument("--services", type=int, default=200, help="that share them (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=500.0, help="of questions, per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    broker_cores, load_cores = split_cores()
    results = []
    for size in given.instances:
        instances = fleet(size, given.services)
        with running_broker(instances, broker_cores) as (pid, port, start_s), pinned(load_cores):
            results.append(uvloop.run(measure(pid, port, start_s, instances, given)))
    print(table(results))
    print("queued: how much of the time at the steady rate other processes had the core that the broker wanted")
    print(f"bounds for 10,000 instances of 200 services: {_BOUNDS}")
    if given.json:
        given.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
