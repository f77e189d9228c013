"""Who is where on the street at a time: two lanes of cars that come towards the camera, each with its plate."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from .cars import LENGTH_M, PAINTS
from .plates import make_plate

GONE_M = 0.6 - LENGTH_M
"""A car whose front is this far behind the camera's plane is out of the picture for good."""
_HORIZON_M = 55.0


@dataclass(frozen=True)
class Car:
    """A car as it was made; where it is, its lane knows."""

    start_m: float
    """How far ahead its front is at time 0."""
    paint: int
    """An index of `PAINTS`."""
    plate: str
    tilt_deg: tuple[float, float, float]
    """How its plate is mounted: turned about the upright axis, about the level one, about the line of sight."""
    gloss: float
    """Where on the plate light glances off, a phase of 0 to 1."""


class Lane:
    """An endless queue of cars in one lane.

    Args:
        x_m: The lane's middle.
        speed_mps: How fast the queue goes on average.
        gaps_m: The least and the largest distance from one front to the next.
        rng: Where cars come from.
    """

    def __init__(self, x_m: float, speed_mps: float, gaps_m: tuple[float, float], rng: np.random.Generator) -> None:
        self.x_m = x_m
        self.speed_mps = speed_mps
        self._gaps_m = gaps_m
        self._rng = rng
        self._cars: deque[Car] = deque()
        self._next_m = float(rng.uniform(5, 9))

    def cars(self, time_s: float) -> list[tuple[Car, float]]:
        """The cars in view and how far ahead each one's front is (m), the farthest first; time only goes on."""
        travelled = self._travelled(time_s)
        while self._next_m - travelled < _HORIZON_M:
            self._cars.append(self._make(self._next_m))
            self._next_m += float(self._rng.uniform(*self._gaps_m))
        while self._cars[0].start_m - travelled < GONE_M:
            self._cars.popleft()
        return [(car, car.start_m - travelled) for car in reversed(self._cars)]

    def _travelled(self, time_s: float) -> float:
        """Slower and faster by half, over and over, as queues move."""
        return self.speed_mps * (time_s - 0.5 / 0.9 * math.sin(0.9 * time_s))

    def _make(self, start_m: float) -> Car:
        yaw, pitch, roll = self._rng.normal(0, (2.0, 3.0, 1.2))
        return Car(
            start_m=start_m,
            paint=int(self._rng.integers(len(PAINTS))),
            plate=make_plate(self._rng),
            tilt_deg=(float(yaw), float(pitch), float(roll)),
            gloss=float(self._rng.uniform()),
        )
