"""Boxes carried to the newest frame, so that an overlay is not late by the time that the answer took.

Points of a grid in each box are followed from the frame that was answered to the newest one, by pyramidal
Lucas-Kanade optical flow (J.-Y. Bouguet, "Pyramidal Implementation of the Affine Lucas Kanade Feature Tracker", 2000),
in one leap and on small grey copies. A point counts if following it back ends where it began (Z. Kalal et al.,
"Forward-Backward Error", ICPR 2010); the box moves by the points' median and grows as their distances do.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Box, Detection, Point, Result

from .camera import Frame
from .codec import check_picture

_WIDTH_PX = 320
"""Of the grey copies: what moves a box visibly is seen in them, and they take a quarter of a VGA picture's time."""
_KEPT = 64
"""Grey copies; at ten frames a second the answer may take six seconds, by then it says little of the newest frame."""
_SIDE, _MARGIN = 5, 0.15
"""Points of the grid in each direction, and where they begin: in its corners a box often shows the background."""
_LEAST_POINTS = 5
_BACK_PX = 1.0
_FLOW = {"winSize": (15, 15), "maxLevel": 3, "criteria": (3, 10, 0.03)}
_MOST_GROWTH = 1.5


class Motion(NamedTuple):
    """How a box moved: its centre by `dx`, `dy`, its sides by the factor `growth`."""

    dx: float
    dy: float
    growth: float


_REST = Motion(0.0, 0.0, 1.0)


class Tracker:
    """Sees every frame on its way to a client, and carries an answer's boxes to the newest; safe to share by threads.

    `OffloadClient.stream(..., track=True)` has one; an app that submits frames has one see them first.
    """

    def __init__(self) -> None:
        self._grey: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._newest: Frame | None = None
        self._lock = threading.Lock()

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass frames on, seeing each."""
        for frame in frames:
            self.see(frame)
            yield frame

    def see(self, frame: Frame) -> None:
        """Take a frame for the newest; takes well under a millisecond of a fast core at 640 x 480.

        Raises:
            DeviceError: it is no picture.
        """
        check_picture(frame.image)
        grey = _small_grey(frame.image)
        with self._lock:
            self._newest = frame
            self._grey[frame.seq] = grey
            while len(self._grey) > _KEPT:
                self._grey.popitem(last=False)

    def carry(self, result: Result) -> tuple[Frame, Result]:
        """The newest frame, and a result whose detections lie as they do there; `carried_to` then is its number.

        A box in which nothing can be followed stays where it was. The result is as it was when it has no detections,
        or when the frame answered is the newest, was of another shape, or has been forgotten.

        Raises:
            ValueError: no frame has been seen yet.
        """
        with self._lock:
            frame, before = self._newest, self._grey.get(result.seq)
            after = self._grey[frame.seq] if frame else None
        if frame is None:
            raise ValueError("the tracker has seen no frame: let it see them before the client, as `watch` does")
        found = result.detections
        if found is None or before is None or after is None or before.shape != after.shape or frame.seq == result.seq:
            return frame, result
        scale = after.shape[1] / frame.image.shape[1]
        motions = follow(before, after, [one.box for one in found], scale)
        moved = tuple(_moved(one, motion) for one, motion in zip(found, motions, strict=True))
        return frame, result.model_copy(update={"detections": moved, "carried_to": frame.seq})


def follow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], boxes: Sequence[Box], scale: float = 1.0
) -> list[Motion]:
    """How boxes moved between two grey pictures (uint8 H x W) of the same size.

    Args:
        before: Where the boxes are.
        after: Where they are looked for.
        boxes: In pixels of a picture...
        scale: ...of which these are `scale` times as wide.
    """
    if not boxes:
        return []
    points = np.concatenate([_grid(box) for box in boxes]).astype(np.float32) * np.float32(scale)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, **_FLOW)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None, **_FLOW)  # type: ignore[call-overload]
    sure = (found[:, 0] & found_back[:, 0] == 1) & (np.abs(back - points).max(axis=1) < _BACK_PX)
    each = _SIDE * _SIDE
    parts = (slice(first, first + each) for first in range(0, len(points), each))
    return [_motion(points[part][sure[part]], moved[part][sure[part]], scale) for part in parts]


def _grid(box: Box) -> NDArray[np.float64]:
    at = np.linspace(_MARGIN, 1 - _MARGIN, _SIDE)
    x, y = np.meshgrid(box.x1 + at * (box.x2 - box.x1), box.y1 + at * (box.y2 - box.y1))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _motion(points: NDArray[np.float32], moved: NDArray[np.float32], scale: float) -> Motion:
    if len(points) < _LEAST_POINTS:
        return _REST
    dx, dy = np.median(moved - points, axis=0) / scale
    distances = np.linalg.norm(points - np.roll(points, len(points) // 2, axis=0), axis=1)
    now = np.linalg.norm(moved - np.roll(moved, len(points) // 2, axis=0), axis=1)
    growth = float(np.median(now / np.maximum(distances, 1e-3)))
    return Motion(float(dx), float(dy), min(max(growth, 1 / _MOST_GROWTH), _MOST_GROWTH))


def _moved(found: Detection, motion: Motion) -> Detection:
    """A detection after a motion; corners go with the box."""
    centre = Point((found.box.x1 + found.box.x2) / 2, (found.box.y1 + found.box.y2) / 2)

    def move(x: float, y: float) -> Point:
        return Point(
            centre.x + motion.dx + (x - centre.x) * motion.growth, centre.y + motion.dy + (y - centre.y) * motion.growth
        )

    box = Box(*move(found.box.x1, found.box.y1), *move(found.box.x2, found.box.y2))
    corners = tuple(move(*corner) for corner in found.corners) if found.corners else None
    return found.model_copy(update={"box": box, "corners": corners})


def _small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    size = (_WIDTH_PX, max(1, round(height * _WIDTH_PX / width)))
    return np.asarray(cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.uint8)
