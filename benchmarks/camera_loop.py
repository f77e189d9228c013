"""A device for other benchmarks: the client and a camera, in a process that can be put behind a link.

`python -m benchmarks.camera_loop --edge URL` prints a line once the client is ready, waits for a line that says when
the first frame is due (seconds by `time.monotonic`), and prints a JSON line for every answered frame. One frame is
answered at a time; when one is answered the newest is next, and older ones are dropped. The device's inference is
emulated: it takes a known time, in which the processor is free.
"""

import argparse
import json
import sys
import time
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.device import Frame, Objective, OffloadClient
from astraea.protocol import Detection

from .overhead import photo

SIZE_PX = (640, 480)


class PacedDetector:
    """Takes `ms` for a picture and finds nothing."""

    def __init__(self, ms: float) -> None:
        self._ms = ms

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:  # noqa: ARG002 - as detectors have it
        """Wait."""
        time.sleep(self._ms / 1000)
        return []


class Answer(NamedTuple):
    """What became of one frame."""

    captured_s: float
    """By `time.monotonic`, like every time here."""
    answered_s: float
    tier: str | None
    """Who answered; None for nobody."""
    fallback: str | None
    failure: str | None

    @property
    def response_ms(self) -> float:
        """From its capture to its answer."""
        return (self.answered_s - self.captured_s) * 1000


def picture() -> NDArray[np.uint8]:
    """What the camera sees, RGB: sent as the client does by default, it has about 43 kB."""
    jpeg = np.frombuffer(photo(SIZE_PX, 24_000), np.uint8)
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.camera_loop", description=__doc__.splitlines()[0])
    parser.add_argument("--edge", required=True, help="URL of an edge server")
    parser.add_argument("--local-ms", type=float, default=450.0, help="the device's inference (default: %(default)s)")
    parser.add_argument("--deadline-ms", type=float, help="of every frame, from its capture")
    parser.add_argument("--fps", type=float, default=10.0, help="of the camera (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long (default: %(default)s)")
    given = parser.parse_args()
    image, every_s = picture(), 1 / given.fps
    detector, objective = PacedDetector(given.local_ms), Objective(deadline_ms=given.deadline_ms)
    with OffloadClient("paced", local=detector, edges=[given.edge], objective=objective) as client:
        print("ready", flush=True)
        start_s = float(sys.stdin.readline())
        index, frames = 0, round(given.seconds * given.fps)
        while index < frames:
            captured_s = start_s + index * every_s
            time.sleep(max(0.0, captured_s - time.monotonic()))
            result = client.infer(Frame(image=image, seq=index, captured_at=captured_s))
            now = time.monotonic()
            answer = Answer(captured_s, now, result.tier, result.fallback, result.failure)
            print(json.dumps(answer._asdict()), flush=True)
            index = max(index + 1, min(int((now - start_s) / every_s), frames - 1))


if __name__ == "__main__":
    main()
