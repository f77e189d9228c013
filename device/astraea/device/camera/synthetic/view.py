"""One car at one moment, as the camera sees it."""

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .cars import PAINTS, PLATE_CENTRE, Piece, build_car
from .lens import Lens, Pixels, Points, Sprite
from .plates import HEIGHT_MM, paint_plate, width_mm
from .street import sunlight
from .traffic import Car

_NEAREST_M = 0.5  # what is nearer to the camera's plane is far outside the picture, and can't be projected
_SHUTTER_S = 1 / 400
_FOCUS_M = 7.5
_DEFOCUS_PX_M = 6.0  # blur of what is far beyond the focus, times the focus' distance, in a picture 640 px wide
_GLARE_M = 16.0  # farther away nobody sees it on so small a plate
_MAX_BLUR_PX = 2.0  # a nearer car is leaving the picture; more would cost time and show nothing


class CarView:
    """A car with its plate, placed in the world and projected.

    Args:
        car: The car.
        place: Its front's middle on the ground: x and z in the world, metres.
        speed_mps: How fast it comes nearer.
        time_s: The moment, for the body's swaying.
        lens: Who looks.
    """

    def __init__(self, car: Car, place: tuple[float, float], speed_mps: float, time_s: float, lens: Lens) -> None:
        self._car = car
        self._lens = lens
        self._z = place[1]
        self._origin = np.array((place[0], 0.012 * math.sin(3.1 * time_s + car.start_m), place[1]), np.float32)
        self._pieces = self._project(build(car.paint))
        light = sunlight(np.array([place[0]], np.float32), np.array([max(place[1], 0)], np.float32))
        self._light = float(light[0])
        self.plate = self._plate_quad() if self._z + PLATE_CENTRE[2] > _NEAREST_M else None
        """The plate's corners in the picture (4 x 2, top left and clockwise); None once it has passed the camera."""
        self._blur_px = self._blur(speed_mps)

    def draw(self, image: Pixels) -> None:
        """Draw it into an RGB image, over what is behind it."""
        for sprite, quad in self._pieces:
            sprite.draw(image, quad, self._light)
        if self.plate is not None:
            _plate_sprite(self._car, self._z).draw(image, self.plate, self._light)
        self._soften(image)

    def hides(self, quad: Points) -> bool:
        """Whether something at `quad`, farther away, is at least in part behind this car."""
        outline = self._outline()
        return outline is not None and cv2.intersectConvexConvex(outline, quad)[0] > 0

    def _outline(self) -> cv2.typing.MatLike | None:
        """What encloses the car in the picture, without its shadow, which is the first piece."""
        quads = [quad for _, quad in self._pieces[1:]]
        return cv2.convexHull(np.concatenate(quads)) if quads else None

    def _project(self, pieces: tuple[Piece, ...]) -> list[tuple[Sprite, Points]]:
        shown = [cut for piece in pieces if (cut := piece.beyond(_NEAREST_M - self._z)) is not None]
        if not shown:
            return []
        corners = np.concatenate([piece.corners for piece in shown]) + self._origin
        quads = self._lens.project(corners).reshape(-1, 4, 2)
        return [(piece.sprite, quad) for piece, quad in zip(shown, quads, strict=True)]

    def _plate_quad(self) -> Points:
        wide, high = width_mm(self._car.plate) / 2000, HEIGHT_MM / 2000
        flat = np.array([(-wide, high, 0), (wide, high, 0), (wide, -high, 0), (-wide, -high, 0)])
        mounted = flat @ _turned(self._car.tilt_deg).T + np.array(PLATE_CENTRE)
        return self._lens.project(mounted + self._origin)

    def _blur(self, speed_mps: float) -> tuple[float, float]:
        """Standard deviations, in px across and down, of what the lens' focus and the car's motion do together."""
        z = max(self._z, 1.0)
        moved = self._origin - np.array((0, 0, min(speed_mps * _SHUTTER_S, z / 2)), np.float32)
        seen = self._lens.project(np.maximum(np.stack([self._origin, moved]), (-np.inf, -np.inf, 0.1)))
        motion = np.abs(seen[1] - seen[0]) / math.sqrt(12)  # the deviation of an even smear of that length
        focus = abs(1 / z - 1 / _FOCUS_M) * _DEFOCUS_PX_M * self._lens.width / 640
        across, down = np.minimum(np.hypot(motion, focus), _MAX_BLUR_PX)
        return float(across), float(down)

    def _soften(self, image: Pixels) -> None:
        outline = self._outline()
        if outline is None or max(self._blur_px) < 0.25:
            return
        left, top, width, height = cv2.boundingRect(outline)
        left, top, right, bottom = max(left, 0), max(top, 0), left + width, top + height
        part = image[top : max(bottom, 0), left : max(right, 0)]
        if part.size:
            across, down = (max(sigma, 0.2) for sigma in self._blur_px)
            inside = np.zeros(part.shape[:2], np.uint8)
            cv2.fillConvexPoly(inside, (outline - (left, top)).astype(np.int32), 255)
            cv2.copyTo(cv2.GaussianBlur(part, (0, 0), across, sigmaY=down), inside, part)


@functools.cache
def build(paint: int) -> tuple[Piece, ...]:
    """The pieces of a car of one of `PAINTS`, made once."""
    return build_car(PAINTS[paint])


def _turned(tilt_deg: tuple[float, float, float]) -> NDArray[np.float64]:
    """The rotation by yaw, pitch and roll."""
    yaw, pitch, roll = (math.radians(angle) for angle in tilt_deg)
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    about_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


@functools.lru_cache(maxsize=64)
def _painted(text: str) -> Pixels:
    return np.asarray(cv2.cvtColor(paint_plate(text), cv2.COLOR_RGB2RGBA), np.uint8)


@functools.lru_cache(maxsize=64)
def _flat(text: str) -> Sprite:
    return Sprite(_painted(text))


@functools.cache
def _streak(width: int) -> Pixels:
    """Light that glances off a plate: a soft, slanting streak in the middle of a sheet of three times its width."""
    across = np.linspace(-1.5, 1.5, 3 * width)[None, :] + np.linspace(-0.15, 0.15, HEIGHT_MM)[:, None]
    strength = 0.24 * 255 * np.exp(-((across / 0.16) ** 2))
    return np.repeat(strength[..., None], 4, axis=2).astype(np.uint8)


def _plate_sprite(car: Car, z: float) -> Sprite:
    """The plate with the light that glances off it and wanders over it as the car comes nearer."""
    if z > _GLARE_M:
        return _flat(car.plate)
    plate = _painted(car.plate)
    width = plate.shape[1]
    start = round((car.gloss + z / 5) % 1.0 * 2 * width)
    streak = _streak(width)[:, start : start + width]
    behind = cv2.multiply(plate, cv2.bitwise_not(streak), scale=1 / 255)
    return Sprite(np.asarray(cv2.add(behind, streak), np.uint8))
