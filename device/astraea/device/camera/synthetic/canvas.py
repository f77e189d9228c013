"""Painting flat things by their measures: polygons and ellipses, shaded from top to bottom."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .lens import Sprite

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""
Outline = Sequence[tuple[float, float]]
"""Corners in metres: x from the middle of the canvas to the right, y up from its lower edge."""

_FRACTION_BITS = 4  # OpenCV draws to a sixteenth of a pixel


class Canvas:
    """An empty, transparent sheet of some metres, to be painted on from back to front."""

    def __init__(self, width_m: float, height_m: float, px_per_m: float) -> None:
        self._px_per_m = px_per_m
        self._width, self._height = round(width_m * px_per_m), round(height_m * px_per_m)
        self._rgba = np.zeros((self._height, self._width, 4), np.float32)

    def fill(self, outline: Outline, top: Colour, bottom: Colour | None = None, *, alpha: float = 1.0) -> None:
        """Fill a polygon, from `top` to `bottom` where given."""
        points = np.array([self._pixel(x, y) for x, y in outline])
        left, upper = np.clip(np.floor(points.min(axis=0)).astype(int) - 1, 0, (self._width, self._height))
        right, lower = np.clip(np.ceil(points.max(axis=0)).astype(int) + 2, 0, (self._width, self._height))
        mask = np.zeros((lower - upper, right - left), np.uint8)
        if mask.size:
            corners = np.round((points - (left, upper)) * 2**_FRACTION_BITS).astype(np.int32)
            cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _FRACTION_BITS)
            _paint(self._rgba[upper:lower, left:right], mask, (top, bottom or top), alpha)

    def fill_both(self, outline: Outline, top: Colour, bottom: Colour | None = None, *, alpha: float = 1.0) -> None:
        """Fill a polygon and its mirror image on the other side of the middle."""
        self.fill(outline, top, bottom, alpha=alpha)
        self.fill([(-x, y) for x, y in outline], top, bottom, alpha=alpha)

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], top: Colour, bottom: Colour | None = None
    ) -> None:
        """Fill an ellipse."""
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False).tolist()
        outline = [(centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles]
        self.fill(outline, top, bottom)

    def soften(self, radius_m: float) -> None:
        """Blur all that is painted so far, its edges included."""
        self._rgba = np.asarray(cv2.GaussianBlur(self._rgba, (0, 0), radius_m * self._px_per_m), np.float32)

    def sprite(self) -> Sprite:
        """What was painted, ready to be drawn."""
        return Sprite(np.clip(self._rgba + 0.5, 0, 255).astype(np.uint8))

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return self._width / 2 + x * self._px_per_m - 0.5, self._height - y * self._px_per_m - 0.5


def _paint(part: NDArray[np.float32], mask: NDArray[np.uint8], colours: tuple[Colour, Colour], alpha: float) -> None:
    """Lay a gradient over a part of a sheet, in place, where the mask (0 to 255) lets it."""
    cover = mask[..., None].astype(np.float32) * (alpha / 255)
    share = np.linspace(0, 1, len(part), dtype=np.float32)[:, None, None]
    top, bottom = (np.array((*colour, 255), np.float32) for colour in colours)
    part[...] = part * (1 - cover) + (top * (1 - share) + bottom * share) * cover
