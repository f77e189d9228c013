"""The synthetic camera: a street, its traffic, the light of the moment, and what a lens and a sensor make of it."""

from time import monotonic

import numpy as np

from astraea.protocol import Box, Detection, Point

from ..base import Camera, Frame, Pacer
from .cars import PAINTS
from .lens import Lens, Pixels, Points
from .sensor import Sensor
from .street import paint_street
from .traffic import Lane
from .view import CarView, build

LEGIBLE_PX = 96
"""The least width of a plate that counts: in a smaller one a character is narrower than 10 px and blurs into others."""

_DEFAULT_FPS = 10.0


class SyntheticCamera(Camera):
    """A street as a camera beside it sees it through a long lens, with cars that come and pass.

    The truth of a frame lists the plates that are fully inside the picture, at least `LEGIBLE_PX` wide and not hidden
    by another car. The same seed, size and frame rate give the same frames.

    Args:
        frames: How many there are; None for no end.
        seed: Chooses the traffic, its plates and the street.
        size: Width and height in pixels.
        fps: Frames per second of the scene; given, they come no faster. None gives 10 frames per second of the
            scene's time, as fast as they are read.
    """

    def __init__(
        self, *, frames: int | None = None, seed: int = 0, size: tuple[int, int] = (640, 480), fps: float | None = None
    ) -> None:
        rng = np.random.default_rng(seed)
        self._lens = Lens(*size, focal_px=3.15 * size[0], above_ground_m=1.35, left_deg=9.0, down_deg=2.6)
        self._street = paint_street(self._lens, rng)
        near, far = rng.spawn(2)
        self._lanes = (Lane(-5.3, 5.2, (13.0, 28.0), far), Lane(-1.75, 5.5, (8.6, 11.5), near))
        self._sensor = Sensor(size, rng)
        for paint in range(len(PAINTS)):
            build(paint)  # now, so that no frame waits for it
        self._frames = frames
        self._step_s = 1 / (fps or _DEFAULT_FPS)
        self._pacer = Pacer(fps)
        self._seq = 0

    def read(self) -> Frame | None:
        """The next moment of the street; None after the last one asked for."""
        if self._frames is not None and self._seq >= self._frames:
            return None
        self._pacer.wait()
        image, truth = self._render(self._seq * self._step_s)
        frame = Frame(image, self._seq, monotonic(), truth)
        self._seq += 1
        return frame

    def _render(self, time_s: float) -> tuple[Pixels, tuple[Detection, ...]]:
        image = self._street.copy()
        plates: list[tuple[str, Points]] = []
        for lane in self._lanes:
            for car, ahead_m in lane.cars(time_s):
                view = CarView(car, (lane.x_m, ahead_m), lane.speed_mps, time_s, self._lens)
                view.draw(image)
                plates = [(text, quad) for text, quad in plates if not view.hides(quad)]
                if view.plate is not None:
                    plates.append((car.plate, view.plate))
        truth = tuple(_detection(text, quad) for text, quad in plates if self._counts(quad))
        return self._sensor.expose(image, time_s), truth

    def _counts(self, quad: Points) -> bool:
        inside = quad.min() >= 0 and quad[:, 0].max() <= self._lens.width and quad[:, 1].max() <= self._lens.height
        return bool(inside and _width_px(quad) >= LEGIBLE_PX)


def _width_px(quad: Points) -> float:
    """Half of the upper and lower edge together."""
    return float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2


def _detection(text: str, quad: Points) -> Detection:
    """What a perfect plate reader would say."""
    left_top, right_top, right_bottom, left_bottom = (Point(float(x), float(y)) for x, y in quad)
    return Detection(
        label="plate",
        score=1.0,
        box=Box(*(float(edge) for edge in (*quad.min(axis=0), *quad.max(axis=0)))),
        corners=(left_top, right_top, right_bottom, left_bottom),
        text=text,
        text_score=1.0,
    )
