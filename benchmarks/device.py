"""What the client costs a device: `python -m benchmarks.device`.

CPU time a frame of 640 x 480 without encoding it and without inference, over the default transport to an edge server
of its own that answers at once; beside it what sending the same JPEG by a bare httpx client takes. The decision alone,
with a ladder of encodings and several candidates. What importing it takes, in time and memory, beside numpy and OpenCV
alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from astraea.device import Frame, OffloadClient, Policy, Profile
from astraea.device.codec import encode
from astraea.device.encoding import Encoding, Size
from astraea.device.profile import Rung
from astraea.edge_server import Limits

from .overhead import edge_server, photo

_SERVICE = Path(__file__).parent / "services" / "instant"
_SIZE = Size(640, 480)
_FRAME_BYTES = 45_000
_WARM_UP_FRAMES = 100
_BATCH = 50
"""Frames that one figure is taken over: CPU time is counted in steps that one frame is too short for."""
_CANDIDATES = 3
_DECISIONS = 5000
_STARTS = 7
_BOUND_CPU_MS, _BOUND_DECISION_MS, _BOUND_RSS_MB, _BOUND_IMPORT_S = 1.0, 0.1, 120.0, 0.4

_LADDER = Profile(
    rungs=tuple(
        Rung(max_side=side, quality=quality, bytes=side * quality, encode_ms=3, edge_ms=12, accuracy=accuracy)
        for side, accuracy in ((320, 0.9), (416, 0.96), (512, 0.995), (640, 1.0))
        for quality in (70, 85)
    )
)

# Not `ru_maxrss`: it counts what the process had been before it became Python.
_PEAK_RSS = "peak = int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) / 1024"
_IMPORT = "import time; began = time.perf_counter(); import {}; took = time.perf_counter() - began"
_FLOOR = "numpy, cv2"
_CLIENT = "astraea.device"


@dataclass(frozen=True)
class Figures:
    """What was measured."""

    frames: int
    infer_cpu_ms: float
    """One frame after the other, median over batches; encoding and inference left out."""
    stream_cpu_ms: float
    """The same through `stream`, several in flight."""
    httpx_cpu_ms: float
    """A bare httpx client that posts the same JPEG and parses the answer as JSON."""
    decide_observe_p50_ms: float
    decide_observe_p99_ms: float
    import_s: float
    import_floor_s: float
    """numpy and OpenCV alone."""
    import_rss_mb: float
    import_rss_floor_mb: float
    app_rss_mb: float
    """Of an app without a local model that has had frames answered."""

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Each figure that has one, and its bound."""
        return {
            "infer CPU ms a frame": (self.infer_cpu_ms, _BOUND_CPU_MS),
            "stream CPU ms a frame": (self.stream_cpu_ms, _BOUND_CPU_MS),
            "decide + observe p99 ms": (self.decide_observe_p99_ms, _BOUND_DECISION_MS),
            "import s": (self.import_s, _BOUND_IMPORT_S),
            "RSS MB after import": (self.import_rss_mb, _BOUND_RSS_MB),
            "RSS MB of an app": (self.app_rss_mb, _BOUND_RSS_MB),
        }


class EncodingTime:
    """Encodes as the client does, and counts the CPU time that takes."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    def encode(self, image: NDArray[np.uint8], encoding: Encoding) -> bytes:
        """See codec.encode."""
        began = time.thread_time()
        payload = encode(image, encoding)
        self.cpu_s += time.thread_time() - began
        return payload


def cpu_ms(batches: int, work: Callable[[int], None], encoding: EncodingTime) -> float:
    """The CPU time of this process for a frame, encoding left out: the median over batches."""
    times = []
    for _ in range(batches):
        began, encoded = time.process_time(), encoding.cpu_s
        work(_BATCH)
        times.append((time.process_time() - began - (encoding.cpu_s - encoded)) * 1000 / _BATCH)
    return statistics.median(times)


def frame_costs(frames: int) -> tuple[float, float, float]:
    """CPU ms a frame by `infer`, by `stream`, and by bare httpx."""
    jpeg = photo(_SIZE, _FRAME_BYTES)
    image = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)
    batches = max(1, frames // _BATCH)
    encoding = EncodingTime()

    def camera(count: int) -> Iterator[Frame]:
        return (Frame(image, seq, time.monotonic()) for seq in range(count))

    with edge_server(_SERVICE, Limits(workers=1, queue=8)) as (_, url):
        with (
            patch("astraea.device.transports.switching.encode", encoding.encode),
            OffloadClient("instant", edges=[url]) as client,
        ):

            def infer(count: int) -> None:
                for frame in camera(count):
                    client.infer(frame)

            def stream(count: int) -> None:
                assert sum(result.answered for result in client.stream(camera(count))) == count  # noqa: S101

            infer(_WARM_UP_FRAMES)
            assert encoding.cpu_s > 0  # noqa: S101 - else it would not be left out
            costs = cpu_ms(batches, infer, encoding), cpu_ms(batches, stream, encoding)
        with httpx.Client() as peer:

            def post(count: int) -> None:
                for _ in range(count):
                    peer.post(f"{url}/predict", content=jpeg, headers={"content-type": "image/jpeg"}).json()

            return *costs, cpu_ms(batches, post, encoding)


def decision_times() -> list[float]:
    """Milliseconds of deciding about a frame and learning from its answer, with a ladder and several candidates.

    By the thread's own clock, so that a busy machine does not count.
    """
    policy = Policy(local=True, profile=_LADDER)
    names = [f"edge-{number}" for number in range(_CANDIDATES)]
    policy.offer(names)
    policy.observe_local(200.0)
    for name in names:
        for size_bytes in (256, 2048, 256, 2048):
            policy.observe_probe(name, size_bytes=size_bytes, network_ms=20 + size_bytes / 1000, sent_at=0.0, now=0.01)
    random = np.random.default_rng(1)
    times = []
    for number, jitter in enumerate(random.exponential(5.0, _DECISIONS)):
        now = 1 + number / 30
        began = time.thread_time()
        decision = policy.decide(_SIZE, now=now)
        took = time.thread_time() - began
        assert decision is not None  # noqa: S101 - the device can always answer
        rung = decision.encoding or Encoding()
        began = time.thread_time()
        policy.observe_encoding(_SIZE, rung, 40_000, 3.0)
        policy.observe_sent(decision.target, size_bytes=40_000, now=now)
        policy.observe_answer(
            decision.target,
            size_bytes=40_000,
            network_ms=40 + float(jitter),
            server_ms=12,
            sent_at=now,
            now=now + 0.06,
            encoding=rung,
        )
        times.append((took + time.thread_time() - began) * 1000)
    return times


def in_process(code: str) -> list[float]:
    """The numbers that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


def start_costs(modules: str) -> tuple[float, float]:
    """Seconds to import modules, and MB that the process has then: the least of some starts."""
    code = f"{_IMPORT.format(modules)}; {_PEAK_RSS}; print(took, peak)"
    took, peak = zip(*(in_process(code) for _ in range(_STARTS)), strict=True)
    return min(took), min(peak)


def app_rss_mb(frames: int) -> float:
    """MB of an app without a local model after so many frames of 640 x 480."""
    with edge_server(_SERVICE, Limits(workers=1, queue=8)) as (_, url):
        code = f"""
import numpy
from astraea.device import OffloadClient
image = numpy.random.default_rng(1).integers(0, 255, (480, 640, 3), numpy.uint8)
with OffloadClient("instant", edges=["{url}"]) as client:
    assert all(client.infer(image).answered for _ in range({frames}))
{_PEAK_RSS}
print(peak)
"""
        return in_process(code)[0]


def measure(frames: int) -> Figures:
    """All of it."""
    infer_ms, stream_ms, httpx_ms = frame_costs(frames)
    decisions = statistics.quantiles(decision_times(), n=100)
    import_floor_s, rss_floor_mb = start_costs(_FLOOR)
    import_s, rss_mb = start_costs(_CLIENT)
    return Figures(
        frames=frames,
        infer_cpu_ms=infer_ms,
        stream_cpu_ms=stream_ms,
        httpx_cpu_ms=httpx_ms,
        decide_observe_p50_ms=decisions[49],
        decide_observe_p99_ms=decisions[98],
        import_s=import_s,
        import_floor_s=import_floor_s,
        import_rss_mb=rss_mb,
        import_rss_floor_mb=rss_floor_mb,
        app_rss_mb=app_rss_mb(_WARM_UP_FRAMES),
    )


def table(figures: Figures) -> str:
    """The figures for people."""
    f = figures
    lines = [f"{'':26}{'measured':>10}{'bound':>8}"]
    lines += [f"{name:26}{value:10.3f}{bound:8.1f}" for name, (value, bound) in f.bounds.items()]
    infer_ratio, stream_ratio = f.infer_cpu_ms / f.httpx_cpu_ms, f.stream_cpu_ms / f.httpx_cpu_ms
    lines.append(f"bare httpx: {f.httpx_cpu_ms:.2f} ms; infer {infer_ratio:.2f} x, stream {stream_ratio:.2f} x of it")
    lines.append(f"numpy and OpenCV alone: {f.import_floor_s:.2f} s, {f.import_rss_floor_mb:.0f} MB")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000, help="how many to answer either way (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    options = parser.parse_args(arguments)
    figures = measure(options.frames)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")


if __name__ == "__main__":
    main()
