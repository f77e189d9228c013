"""What offloading costs in plates read: `python -m benchmarks.plates_offload`.

The plate demo's client (a light recogniser on an emulated slow device, the full one at an edge server, the most plates
read within a deadline) answers labelled photos while its uplink follows a measured trace, and is compared with what
either recogniser reads in the photos as they are. The edge servers are real; the link is shaped in user space, as in
`make demo`. What a plate says is compared, counted and never shown.
"""

import argparse
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from astraea.device import OffloadClient
from astraea.device.simulator import Trace, read_trace
from astraea.models import Detector, PlateRecognizer, pull
from astraea.protocol import Detection
from demos.plates.cascade import DEADLINE_MS, PROFILE, light_recognizer, objective
from demos.quickstart.experiment import SlowedDetector
from demos.quickstart.fleet import Fleet
from demos.quickstart.uplink import Condition, Uplink

from .plates import SHARED_PLATES, Photo, read_photos
from .regret import SHARED_TRACES

_TRACE = "5g-mmwave-walking-toward-run1"
_RTT_MS = 14.4
"""Of that network, as its authors measured it, in the median; for traces that don't say."""
_LEAST_MBPS = 0.01
"""Less is an outage."""


@dataclass
class Figures:
    """What one way to answer made of the Chinese plates, of which all should be read."""

    plates: int = 0
    found: int = 0
    read_exactly: int = 0
    answered_by: Counter[str] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)

    def count(self, photo: Photo, detections: Sequence[Detection]) -> None:
        """Take the answer to a photo."""
        at_plate = photo.plates_among(detections)
        self.plates += 1
        self.found += bool(at_plate)
        self.read_exactly += any(found.text == photo.text for found in at_plate)

    @property
    def read_pct(self) -> float:
        """Of the plates."""
        return 100 * self.read_exactly / self.plates


def alone(recognizer: Detector, photos: Sequence[Photo]) -> Figures:
    """What a recogniser reads in the photos as they are."""
    figures = Figures()
    for photo in photos:
        figures.count(photo, recognizer.detect(photo.image))
    return figures


def adaptive(client: OffloadClient, photos: Sequence[Photo]) -> Figures:
    """What the client's answers say; a photo that nobody answered has no plate."""
    figures = Figures()
    for photo in photos:
        result = client.infer(photo.image)
        figures.count(photo, result.detections or ())
        figures.answered_by[result.tier or "nobody"] += 1
        figures.ms.append(result.actual_ms)
    return figures


@contextmanager
def following(uplink: Uplink, trace: Trace) -> Iterator[None]:
    """Let the uplink do what the trace says, over and over, while the context lasts."""
    over = threading.Event()

    def follow() -> None:
        start_s = time.monotonic()
        while not over.is_set():
            for at_s, mbps in trace.rates():
                if over.wait(max(0.0, start_s + at_s - time.monotonic())):
                    return
                delay_ms = (trace.rtt_ms(at_s) or _RTT_MS) / 2
                uplink.become(Condition(trace.name, max(mbps, _LEAST_MBPS), delay_ms, up=mbps >= _LEAST_MBPS))
            start_s += trace.duration_s

    thread = threading.Thread(target=follow, name="trace")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plates_offload", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED_PLATES, help="folder with labels.csv")
    parser.add_argument("--trace", type=Path, default=SHARED_TRACES / f"{_TRACE}.csv", help="the uplink, as CSV")
    parser.add_argument("--times", type=int, default=5, help="how often each photo is shown (default: %(default)s)")
    parser.add_argument("--slowdown", type=float, default=8, help="of the device (default: %(default)s)")
    parser.add_argument("--deadline-ms", type=float, default=DEADLINE_MS, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args()
    photos = [photo for photo in read_photos(given.data) if photo.chinese]
    trace = read_trace(given.trace)
    light = light_recognizer()
    rows = {"edge alone": alone(PlateRecognizer(pull("plates")), photos), "device alone": alone(light, photos)}
    with Fleet("plates", Console(stderr=True)) as fleet, Uplink(Condition("start", 20, _RTT_MS / 2)) as uplink:
        client = OffloadClient(
            "plates",
            local=SlowedDetector(light, given.slowdown),
            broker=fleet.broker_url,
            objective=objective(given.deadline_ms),
            profile=PROFILE,
            transport=uplink.transport,
        )
        with following(uplink, trace), client:
            rows["adaptive"] = adaptive(client, photos * given.times)
    print(f"{len(photos)} photos with a Chinese plate; uplink {trace.name}, device {given.slowdown:g} times slower")
    print(f"{'':14}{'found':>12}{'read exactly':>16}{'median ms':>12}  answered by")
    for name, row in rows.items():
        found, read = f"{row.found} of {row.plates}", f"{row.read_exactly} of {row.plates}"
        ms = f"{statistics.median(row.ms):.0f}" if row.ms else ""
        tiers = ", ".join(f"{tier} {count}" for tier, count in row.answered_by.items())
        print(f"{name:14}{found:>12}{read:>16}{ms:>12}  {tiers}")
    lost = rows["edge alone"].read_pct - rows["adaptive"].read_pct
    print(f"adaptive loses {lost:.1f} points of what the edge alone reads")
    if given.json:
        document = {name: asdict(row) for name, row in rows.items()} | {"points_lost": lost}
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
