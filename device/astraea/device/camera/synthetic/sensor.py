"""What a camera's exposure and sensor make of a picture: the light of the moment, darker corners, noise."""

import functools
import math

import cv2
import numpy as np

from .lens import Pixels

_LIGHT_PERIOD_S = 60.0
"""From a bright noon to dusk and back."""
_DUSK = np.array((0.66, 0.60, 0.62), np.float32)  # how much of red, green and blue is left
_NOISE_LEVELS = (1.5, 2.0, 2.8)  # standard deviations, of 255; the gain, and so the noise, rises as it gets dark
_LIGHT_STEPS = 50
_BLACK = 4  # no black is quite black behind a lens
_MARGIN_PX = 64


class Sensor:
    """Turns a painted picture into one that a camera might have taken.

    Args:
        size: Width and height in pixels.
        rng: Where the noise comes from.
    """

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size
        self._rng = rng
        shape = (height + _MARGIN_PX, width + _MARGIN_PX, 3)
        grain = rng.normal(size=shape).astype(np.float32)
        self._noise = [np.clip(np.round(level * grain) + _BLACK, -127, 127).astype(np.int8) for level in _NOISE_LEVELS]
        x, y = np.linspace(-1, 1, width)[None, :, None], np.linspace(-1, 1, height)[:, None, None]
        self._vignette = (255 * (1 - 0.07 * (x**2 + y**2))).astype(np.float32)
        self._light = functools.lru_cache(maxsize=1)(self._light_at)

    def expose(self, image: Pixels, time_s: float) -> Pixels:
        """The picture (RGB) as it comes from the camera at that time."""
        dusk = round(_LIGHT_STEPS * (0.5 - 0.5 * math.cos(2 * math.pi * time_s / _LIGHT_PERIOD_S)))
        lit = cv2.multiply(image, self._light(dusk), scale=1 / 255)
        noise = self._noise[dusk * (len(self._noise) - 1) // _LIGHT_STEPS]
        left, top = self._rng.integers(0, _MARGIN_PX, 2)
        height, width = image.shape[:2]
        grain = noise[top : top + height, left : left + width]
        return np.asarray(cv2.add(lit, grain, dtype=cv2.CV_8U), np.uint8)

    def _light_at(self, dusk: int) -> Pixels:
        """How much of every pixel's red, green and blue is left (of 255), from 0 at noon to `_LIGHT_STEPS` at dusk."""
        return (self._vignette * (1 + dusk / _LIGHT_STEPS * (_DUSK - 1))).astype(np.uint8)
