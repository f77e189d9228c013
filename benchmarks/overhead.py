"""What serving a frame adds to computing it, on one machine: `python -m benchmarks.overhead`.

Each frame is answered twice: in this process, and by an edge server over loopback through the device's own transport.
Both run the same decoding, inference and post-processing on the same bytes, taking turns, so that what the machine does
meanwhile falls on both alike. What is left of the difference is the overhead: the stream on both sides, the hop to a
worker's thread, the metrics.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from astraea.device.transports import AutoTransport
from astraea.edge_server import Limits, Service, open_service
from astraea.protocol import load_service_spec

from .load import cpu_s

_SERVICE = Path(__file__).resolve().parents[1] / "demos/services/plates"
_FRAME_SIZE_PX = (640, 480)
_FRAME_BYTES = 60_000
_WARM_UP_FRAMES = 10


@dataclass
class Side:
    """What one way to answer frames took."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """Of this process."""

    def quantile_ms(self, percent: int) -> float:
        """Wall time that so many percent of the frames stayed below."""
        return statistics.quantiles(self.wall_ms, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True)
class Figures:
    """What was measured, milliseconds a frame."""

    frames: int
    frame_bytes: int
    cpus: int
    floor_p50_ms: float
    """Decoding, inference and post-processing in this process."""
    floor_p95_ms: float
    round_trip_p50_ms: float
    """The same by way of the edge server, from the frame's bytes to those of the answer."""
    round_trip_p95_ms: float
    overhead_p50_ms: float
    """The difference of the two."""
    overhead_p95_ms: float
    outside_server_p50_ms: float
    """The part of the round trip that the server's own account leaves out: the link, the device, its HTTP."""
    floor_cpu_ms: float
    server_cpu_ms: float
    server_added_cpu_ms: float
    """The server's CPU time less that of the floor."""
    client_cpu_ms: float
    """The device's side: sending, waiting, reading the answer."""


def photo(size_px: tuple[int, int], target_bytes: int) -> bytes:
    """A JPEG of about so many bytes, with detail at every scale as a photo has, and nothing to find in it."""
    width, height = size_px
    random = np.random.default_rng(7)
    image = np.full((height, width, 3), 128.0, np.float32)
    for octave in range(2, 9):
        cells = random.normal(0, 60 / octave, (2**octave, 2**octave, 3)).astype(np.float32)
        image += cv2.resize(cells, size_px, interpolation=cv2.INTER_CUBIC)
    pixels = image.clip(0, 255).astype(np.uint8)
    encoded = [cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for quality in range(30, 96, 3)]
    return min(encoded, key=lambda jpeg: abs(jpeg.size - target_bytes)).tobytes()


@contextmanager
def edge_server(folder: Path, limits: Limits) -> Iterator[tuple[int, str]]:
    """The process id and URL of an edge server that is ready."""
    options = ("--port", "0", "--workers", str(limits.workers), "--queue", str(limits.queue))
    command = [sys.executable, "-m", "astraea.deployer", "serve", str(folder), *options]
    environment = {key: value for key, value in os.environ.items() if key != "ASTRAEA_BROKER"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None  # noqa: S101 - asked for above
        try:
            log = ""
            while (match := re.search(r"answers at (\S+)/predict", log)) is None:
                line = server.stderr.readline()
                if not line:
                    sys.exit(f"the edge server did not start:\n{log}")
                log += line
            yield server.pid, match[1]
        finally:
            server.terminate()


async def timed(side: Side, answer: Callable[[], Awaitable[object]]) -> None:
    """Have a frame answered and take its times."""
    began, cpu_began = time.perf_counter(), time.process_time()
    await answer()
    side.wall_ms.append((time.perf_counter() - began) * 1e3)
    side.cpu_ms.append((time.process_time() - cpu_began) * 1e3)


async def measure(service: Service, url: str, pid: int, frame: bytes, frames: int) -> Figures:
    """Answer the frame in turns here and there."""
    transport = AutoTransport(url)
    outside_ms: list[float] = []

    async def here() -> None:
        service.answer(frame)

    async def there() -> None:
        reply = await transport.send(frame, "image/jpeg")
        outside_ms.append(reply.network_ms)

    for _ in range(_WARM_UP_FRAMES):
        await here()
        await there()
    outside_ms.clear()
    floor, round_trip = Side(), Side()
    server_began_s = cpu_s(pid)
    for number in range(frames):
        turns = ((floor, here), (round_trip, there))
        for side, answer in turns if number % 2 else reversed(turns):
            await timed(side, answer)
    server_cpu_ms = (cpu_s(pid) - server_began_s) * 1e3 / frames
    await transport.close()
    floor_cpu_ms = statistics.mean(floor.cpu_ms)
    return Figures(
        frames=frames,
        frame_bytes=len(frame),
        cpus=len(os.sched_getaffinity(0)),
        floor_p50_ms=floor.quantile_ms(50),
        floor_p95_ms=floor.quantile_ms(95),
        round_trip_p50_ms=round_trip.quantile_ms(50),
        round_trip_p95_ms=round_trip.quantile_ms(95),
        overhead_p50_ms=round_trip.quantile_ms(50) - floor.quantile_ms(50),
        overhead_p95_ms=round_trip.quantile_ms(95) - floor.quantile_ms(95),
        outside_server_p50_ms=statistics.median(outside_ms),
        floor_cpu_ms=floor_cpu_ms,
        server_cpu_ms=server_cpu_ms,
        server_added_cpu_ms=server_cpu_ms - floor_cpu_ms,
        client_cpu_ms=statistics.mean(round_trip.cpu_ms),
    )


def table(figures: Figures) -> str:
    """The figures for people."""
    f = figures
    return "\n".join(
        (
            f"{f.frames} frames of {f.frame_bytes / 1e3:.0f} kB, {f.cpus} CPUs; milliseconds a frame",
            f"{'':24}{'p50':>9}{'p95':>9}{'CPU':>9}",
            f"{'in this process':24}{f.floor_p50_ms:9.2f}{f.floor_p95_ms:9.2f}{f.floor_cpu_ms:9.2f}",
            f"{'by the edge server':24}{f.round_trip_p50_ms:9.2f}{f.round_trip_p95_ms:9.2f}{f.server_cpu_ms:9.2f}",
            f"{'overhead':24}{f.overhead_p50_ms:9.2f}{f.overhead_p95_ms:9.2f}{f.server_added_cpu_ms:9.2f}  server",
            f"{'  outside the server':24}{f.outside_server_p50_ms:9.2f}{'':9}{f.client_cpu_ms:9.2f}  device",
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200, help="how many to answer either way (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    options = parser.parse_args(arguments)
    limits = Limits(workers=1, queue=1)  # one frame at a time is on its way
    service = open_service(_SERVICE, load_service_spec(_SERVICE), limits)
    with edge_server(_SERVICE, limits) as (pid, url):
        frame = photo(_FRAME_SIZE_PX, _FRAME_BYTES)
        figures = asyncio.run(measure(service, url, pid, frame, max(2, options.frames)))
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")


if __name__ == "__main__":
    main()
