"""The same frames over the same link, answered three ways: by Astraea, by the device alone, by the edge alone."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import perf_counter, sleep
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astraea.device import DeviceError, Frame, OffloadClient
from astraea.device.codec import JPEG_MEDIA_TYPE, encode
from astraea.device.encoding import Encoding
from astraea.models import Detector
from astraea.protocol import Detection, Result

from .uplink import Condition, Uplink

GOOD = Condition("good", mbps=20, delay_ms=8)
SCRIPT = (
    (0.35, GOOD),
    (0.15, Condition("throttled", mbps=0.4, delay_ms=8)),
    (0.15, Condition("cut", mbps=20, delay_ms=8, up=False)),
    (0.35, Condition("restored", mbps=20, delay_ms=8)),
)
"""What share of the frames meets which link; a 45 kB frame takes 18 ms of a good one, 0.9 s of a throttled one."""
EDGE_TIMEOUT_S = 1.0
"""What an app that only knows the edge would wait for an answer, while its user waits too."""


class SlowedDetector:
    """Emulates a slower processor: every inference takes `factor` times as long as it does here."""

    def __init__(self, detector: Detector, factor: float) -> None:
        self._detector = detector
        self._factor = factor

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """As the detector behind it does, later."""
        start = perf_counter()
        detections = self._detector.detect(image)
        sleep((self._factor - 1) * (perf_counter() - start))
        return detections


class Answered(NamedTuple):
    """A frame, what the link was like, and what came of it."""

    frame: Frame
    condition: Condition
    result: Result


def found_in(result: Result) -> str:
    """What a result found, in words: texts where there are any, else how many of each class."""
    counts = Counter(found.text or found.label for found in result.detections or ())
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())


def conditions(frames: Sequence[Frame]) -> Iterator[tuple[Frame, Condition]]:
    """Each frame with its place in the link's script."""
    bounds = np.cumsum([share for share, _ in SCRIPT])
    for index, frame in enumerate(frames):
        phase = int(np.searchsorted(bounds, (index + 0.5) / len(frames)))
        yield frame, SCRIPT[min(phase, len(SCRIPT) - 1)][1]


def adaptive(client: OffloadClient, frames: Sequence[Frame], uplink: Uplink) -> Iterator[Answered]:
    """Astraea decides, frame by frame."""
    for frame, condition in conditions(frames):
        uplink.become(condition)
        yield Answered(frame, condition, client.infer(frame))


def local_only(detector: Detector, frames: Sequence[Frame]) -> Iterator[float]:
    """The response times in ms of the device by itself."""
    for frame in frames:
        start = perf_counter()
        detector.detect(frame.image)
        yield (perf_counter() - start) * 1000


def edge_only(url: str, frames: Sequence[Frame], uplink: Uplink) -> list[float]:
    """The response times in ms of an app that sends every frame to the edge; a lost one counts as its time-out."""
    return asyncio.run(_edge_only(url, frames, uplink))


async def _edge_only(url: str, frames: Sequence[Frame], uplink: Uplink) -> list[float]:
    transport = uplink.transport(url)
    times_ms = []
    for frame, condition in conditions(frames):
        uplink.become(condition)
        start = perf_counter()
        with suppress(DeviceError, TimeoutError):
            async with asyncio.timeout(EDGE_TIMEOUT_S):
                await transport.send(encode(frame.image, Encoding()), JPEG_MEDIA_TYPE)
        times_ms.append((perf_counter() - start) * 1000)
    await transport.close()
    return times_ms
