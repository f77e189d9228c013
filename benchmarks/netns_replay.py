"""Does the simulator tell the truth? `python -m benchmarks.netns_replay` (as root) compares it with the real thing.

The real client and the real edge server run on two hosts of their own, joined by a link whose uplink follows a measured
trace (see `benchmarks.field`, which says what is emulated); the simulator replays the same part of the same trace in a
closed loop, which is how a client meets its link: one frame at a time, the newest next. The simulator is told what a
frame takes on this machine beside inference, measured on a perfect link; of TCP, queues and stalls it knows nothing.
The measured mean and 95th percentile of the response time, from a frame's capture to its answer, should be within 15 %
of the simulator's.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from astraea.device import Profile
from astraea.device.codec import encode
from astraea.device.encoding import Encoding
from astraea.device.simulator import ADAPTIVE, EDGE, Trace, read_trace, simulate
from netlab import Change, Conditions, unavailable

from .camera_loop import picture
from .field import Field
from .regret import SHARED_TRACES
from .services.paced.handler import EDGE_MS

PARTS = (
    "5g-mmwave-walking-toward-run1:0",
    "lte-walking-toward-run1:0",
    "us-verizon-lte:40",
    "us-tmobile-lte:0",
    "us-tmobile-umts-driving:100",
    "wifi5-campus-1:80",
    "wifi5-office-1:160",
)
"""Where a device prefers the edge, and where it is torn."""
RTT_MS = 40.0
TOLERANCE_PCT = 15.0
_HEAD_BYTES = 300
"""Of an HTTP request, about."""
_PACKET_BYTES, _PAYLOAD_BYTES = 1500, 1448
"""Of IPv4 and TCP with time stamps."""
_CALIBRATION_S = 5.0
_LEAD_S = 0.3
"""Between setting the start and the start."""


class Figures(NamedTuple):
    """Response times of one session."""

    frames: int
    edge_share: float
    """Of the frames, those answered (in the simulator: sent) there."""
    mean_ms: float
    p95_ms: float


class Comparison(NamedTuple):
    """One part of a trace."""

    part: str
    measured: Figures
    simulated: Figures

    @property
    def deviation_pct(self) -> tuple[float, float]:
        """Of the measured mean and 95th percentile from the simulated ones."""
        mean = self.measured.mean_ms / self.simulated.mean_ms
        p95 = self.measured.p95_ms / self.simulated.p95_ms
        return 100 * (mean - 1), 100 * (p95 - 1)

    @property
    def agrees(self) -> bool:
        """Whether both are near enough."""
        return all(abs(deviation) <= TOLERANCE_PCT for deviation in self.deviation_pct)


def figures(times_ms: Sequence[float], at_edge: Sequence[bool]) -> Figures:
    p95_ms = statistics.quantiles(times_ms, n=100, method="inclusive")[94]
    return Figures(len(times_ms), sum(at_edge) / len(at_edge), statistics.mean(times_ms), p95_ms)


def bytes_on_the_link(size_bytes: int) -> int:
    """What a request with a body of that size is as packets."""
    packets = math.ceil((size_bytes + _HEAD_BYTES) / _PAYLOAD_BYTES)
    return size_bytes + _HEAD_BYTES + packets * (_PACKET_BYTES - _PAYLOAD_BYTES)


def machine_ms() -> float:
    """What this machine takes for a frame beside inference: encoding, HTTP, waking up. Seen on a perfect link."""
    with Field(Conditions()) as field:
        camera = field.start_camera(seconds=_CALIBRATION_S)
        camera.begin(time.monotonic() + _LEAD_S)
        return statistics.median(answer.response_ms for answer in camera.finish()) - EDGE_MS


def profile_here(local_ms: float) -> Profile:
    """What the simulator must know: what is emulated, the frame's size, and how fast this machine is."""
    return Profile(
        local_ms=local_ms,
        edge_ms=EDGE_MS,
        encode_ms=machine_ms(),
        rtt_ms=RTT_MS,
        frame_bytes=bytes_on_the_link(len(encode(picture(), Encoding()))),
    )


def changes(trace: Trace, start_s: float) -> Iterator[Change]:
    """The link over time as the trace has it."""
    for at_s, mbps in trace.rates():
        uplink = Conditions(rate_mbps=mbps, delay_ms=RTT_MS / 2)
        yield Change(start_s + at_s, uplink, Conditions(delay_ms=RTT_MS / 2))


def measure(trace: Trace, profile: Profile) -> Figures:
    with Field(next(changes(trace, 0.0)).uplink) as field:
        camera = field.start_camera(local_ms=profile.local_ms, fps=profile.fps, seconds=trace.duration_s)
        start_s = time.monotonic() + _LEAD_S
        field.link.follow(changes(trace, start_s))
        camera.begin(start_s)
        answers = camera.finish()
    return figures([answer.response_ms for answer in answers], [answer.tier == "edge" for answer in answers])


def predict(trace: Trace, profile: Profile) -> Figures:
    answers = simulate(trace, profile, closed_loop=True)[ADAPTIVE].answers
    return figures([answer.response_ms for answer in answers], [answer.target == EDGE for answer in answers])


def show(comparison: Comparison) -> None:
    print(f"{comparison.part:34}{'frames':>10}{'edge %':>10}{'mean ms':>10}{'p95 ms':>10}")
    for name, row in (("measured", comparison.measured), ("simulated", comparison.simulated)):
        print(f"  {name:32}{row.frames:10}{100 * row.edge_share:10.0f}{row.mean_ms:10.1f}{row.p95_ms:10.1f}")
    mean, p95 = comparison.deviation_pct
    verdict = "agrees" if comparison.agrees else f"differs by more than {TOLERANCE_PCT:g} %"
    print(f"  {'difference in %':52}{mean:10.1f}{p95:10.1f}  {verdict}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.netns_replay", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED_TRACES, help="folder of traces")
    parser.add_argument("--part", action="append", metavar="TRACE:START_S", help="of a trace; may be repeated")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part (default: %(default)s)")
    parser.add_argument("--local-ms", type=float, default=450.0, help="the device's inference (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    if reason := unavailable():
        sys.exit(reason)
    profile = profile_here(given.local_ms)
    comparisons = []
    for part in given.part or PARTS:
        name, _, start_s = part.partition(":")
        trace = read_trace(given.data / f"{name}.csv").part(float(start_s or 0), given.seconds)
        comparisons.append(Comparison(part, measure(trace, profile), predict(trace, profile)))
        show(comparisons[-1])
    if given.json:
        document = {c.part: {"measured": c.measured._asdict(), "simulated": c.simulated._asdict()} for c in comparisons}
        given.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(comparison.agrees for comparison in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
