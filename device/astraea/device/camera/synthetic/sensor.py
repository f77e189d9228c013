"""What a camera's exposure and sensor make of a picture: the light of the moment, darker corners, noise."""

import math

import cv2
import numpy as np

from .lens import Pixels

_LIGHT_PERIOD_S = 60.0
"""From a bright noon to dusk and back."""
_DUSK = np.array((0.66, 0.60, 0.62), np.float32)  # how much of red, green and blue is left
_NOISE_LEVELS = (1.5, 2.0, 2.8)  # standard deviations, of 255; the gain, and so the noise, rises as it gets dark
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
        self._noise = [np.clip(np.round(level * grain), -127, 127).astype(np.int8) for level in _NOISE_LEVELS]
        x, y = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
        corners = 255 * (1 - 0.14 * (x**2 + y**2) / 2)
        self._vignette = np.repeat(corners[..., None], 3, axis=2).astype(np.uint8)

    def expose(self, image: Pixels, time_s: float) -> Pixels:
        """The picture (RGB) as it comes from the camera at that time."""
        dusk = 0.5 - 0.5 * math.cos(2 * math.pi * time_s / _LIGHT_PERIOD_S)
        ramp = np.arange(256, dtype=np.float32)[:, None] * (1 + dusk * (_DUSK - 1))
        lit = cv2.LUT(image, np.clip(ramp + 4, 0, 255).astype(np.uint8)[None])  # no black is quite black to a lens
        vignetted = cv2.multiply(lit, self._vignette, scale=1 / 255)
        noise = self._noise[min(int(dusk * len(self._noise)), len(self._noise) - 1)]
        left, top = self._rng.integers(0, _MARGIN_PX, 2)
        height, width = image.shape[:2]
        grain = noise[top : top + height, left : left + width]
        return np.asarray(cv2.add(vignetted, grain, dtype=cv2.CV_8U), np.uint8)
