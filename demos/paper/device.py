"""The device's program: `python -m demos.paper.device`, which can be put behind a link and under a quota.

It prints a line of JSON once it is ready, and then one for every order, a line of JSON on standard input, that it has
carried out: `{"do": "alone", "frames": 2}` and so on, by the names of `Device`'s methods.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from astraea.device import Frame, OffloadClient, open_camera
from astraea.models import Detector, YoloDetector
from astraea.protocol import Result
from benchmarks.camera_loop import PacedDetector

from ..quickstart.experiment import SlowedDetector
from .apart import DetectorApart

_FRAMES = 24
_IN_FLIGHT = 2
"""One frame is on its way while the other one is computed; more would wait at the edge."""
_JUST_STARTED = _IN_FLIGHT
"""Results of a video that come before its pace is known."""
_PATIENCE_S = 60.0


class Device:
    """A camera's frames, a detector of its own, and a client.

    Args:
        frames: what the camera sees; it begins again after the last one.
        detector: the device's own; None where all is sent.
        token: what the edge server is told to let the device in.
    """

    def __init__(self, frames: list[Frame], detector: Detector | None, token: str | None = None) -> None:
        self._frames = frames
        self._detector = detector
        self._token = token
        self._numbers = count()
        self._open = ExitStack()
        self._client: OffloadClient | None = None

    def ready(self) -> dict[str, float]:
        """What an inference takes before anything slows it down; of one apart, its process and CPU time as well."""
        if self._detector is None:
            return {}
        self._detector.detect(self._frames[0].image)
        start = time.perf_counter()
        self._detector.detect(self._frames[0].image)
        took = {"wall_s": time.perf_counter() - start}
        if isinstance(self._detector, DetectorApart):
            took |= {"cpu_s": self._detector.cpu_s, "pid": self._detector.pid}
        return took

    def slow(self, factor: float) -> None:
        """Have every inference take so many times as long from now on."""
        if self._detector is not None:
            self._detector = SlowedDetector(self._detector, factor)

    def alone(self, frames: int) -> list[float]:
        """Seconds of frames answered on the device, without a client around them."""
        assert self._detector is not None  # noqa: S101 - nobody orders it
        times_s = []
        for frame in islice(self._camera(), frames):
            start = time.perf_counter()
            self._detector.detect(frame.image)
            times_s.append(time.perf_counter() - start)
        return times_s

    def connect(self, edge: str, *, local: bool) -> None:
        """Open a client, in the place of the one before; `local` lets it use the device's detector."""
        self._open.close()
        detector = self._detector if local else None
        client = OffloadClient(
            "yolov3",
            local=detector,
            edges=[edge],
            token=self._token,
            in_flight=_IN_FLIGHT,
            transport="websocket",  # pictures, as the paper sends them, also where a video would be the sooner way
        )
        self._client = self._open.enter_context(client)

    def images(self, frames: int) -> list[dict[str, Any]]:
        """Frames answered one at a time."""
        assert self._client is not None  # noqa: S101 - as above
        return [_said(self._client.infer(frame)) for frame in islice(self._camera(), frames)]

    def video(self, seconds: float) -> float | None:
        """Frames a second of a camera whose frames are answered as fast as may be; None when too few are answered."""
        assert self._client is not None  # noqa: S101 - as above
        answered_s = []
        end_s = time.perf_counter() + seconds
        for result in self._client.stream(self._camera()):
            now = time.perf_counter()
            if result.answered:
                answered_s.append(now)
            if now >= end_s + (0 if len(answered_s) > _JUST_STARTED + 1 else _PATIENCE_S):
                break
        paced_s = answered_s[_JUST_STARTED:]
        return (len(paced_s) - 1) / (paced_s[-1] - paced_s[0]) if len(paced_s) > 1 else None

    def close(self) -> None:
        """Let go of the edge."""
        self._open.close()

    def _camera(self) -> Iterator[Frame]:
        for number in self._numbers:
            yield replace(self._frames[number % len(self._frames)], seq=number, captured_at=time.monotonic())


def read_frames(source: str, size: int, most: int = _FRAMES) -> list[Frame]:
    """The first frames of a camera, scaled so that the longer side has `size` pixels, as many as the network sees."""
    with open_camera(source) as camera:
        return [replace(frame, image=_scaled(frame, size)) for frame in islice(camera, most)]


def _scaled(frame: Frame, size: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    height, width = frame.image.shape[:2]
    scale = size / max(height, width)
    shape = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(frame.image, shape, interpolation=cv2.INTER_AREA), np.uint8)


def _said(result: Result) -> dict[str, Any]:
    server = result.server
    return {
        "tier": result.tier,
        "failure": result.failure,
        "total_s": result.actual_ms / 1000,
        "server_s": server.total_ms / 1000 if server else None,
        "infer_s": server.infer_ms / 1000 if server else None,
        "bytes": result.bytes_sent,
    }


def main() -> None:
    """See the module."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever leads the experiment, and ends this one too
    parser = argparse.ArgumentParser(prog="python -m demos.paper.device", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, required=True, help="of the longer side of frames, in pixels")
    parser.add_argument("--source", required=True, help="a camera's address")
    parser.add_argument("--model", type=Path, help="the device's own detector, an ONNX file")
    parser.add_argument("--cpu", action="store_true", help="leave a GPU to others: this stands for a small board")
    parser.add_argument("--apart", action="store_true", help="run it in a process of its own, in one thread")
    parser.add_argument("--takes-ms", type=float, help="in its place: a time in which nothing is found")
    parser.add_argument("--key-file", type=Path, help="of the edge server's key")
    given = parser.parse_args()
    if given.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    detector: Detector | None = None
    if given.takes_ms is not None:
        detector = PacedDetector(given.takes_ms)
    elif given.model is not None:
        detector = DetectorApart(given.model) if given.apart else YoloDetector(given.model)
    token = given.key_file.read_text().strip() if given.key_file else None
    device = Device(read_frames(given.source, given.size), detector, token)
    _say(device.ready())
    for line in sys.stdin:
        order = json.loads(line)
        _say(getattr(device, order.pop("do"))(**order))
    device.close()


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
