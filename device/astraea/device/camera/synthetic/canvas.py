"""Painting flat things by their measures: polygons and ellipses, shaded from top to bottom."""

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
        mask = np.zeros((self._height, self._width), np.uint8)
        points = [self._pixel(x, y) for x, y in outline]
        corners = np.round(np.array(points) * 2**_FRACTION_BITS).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _FRACTION_BITS)
        self._paint(mask, top, bottom or top, alpha)

    def fill_both(self, outline: Outline, top: Colour, bottom: Colour | None = None, *, alpha: float = 1.0) -> None:
        """Fill a polygon and its mirror image on the other side of the middle."""
        self.fill(outline, top, bottom, alpha=alpha)
        self.fill([(-x, y) for x, y in outline], top, bottom, alpha=alpha)

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], top: Colour, bottom: Colour | None = None
    ) -> None:
        """Fill an ellipse."""
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        outline = [(centre[0] + radii[0] * np.cos(a), centre[1] + radii[1] * np.sin(a)) for a in angles]
        self.fill(outline, top, bottom)

    def soften(self, radius_m: float) -> None:
        """Blur all that is painted so far, its edges included."""
        self._rgba = np.asarray(cv2.GaussianBlur(self._rgba, (0, 0), radius_m * self._px_per_m), np.float32)

    def sprite(self) -> Sprite:
        """What was painted, ready to be drawn."""
        return Sprite(np.clip(self._rgba + 0.5, 0, 255).astype(np.uint8))

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return self._width / 2 + x * self._px_per_m - 0.5, self._height - y * self._px_per_m - 0.5

    def _paint(self, mask: NDArray[np.uint8], top: Colour, bottom: Colour, alpha: float) -> None:
        x, y, width, height = cv2.boundingRect(mask)
        if not width:
            return
        part = self._rgba[y : y + height, x : x + width]
        cover = mask[y : y + height, x : x + width, None].astype(np.float32) * (alpha / 255)
        share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        ends = np.array([(*top, 255), (*bottom, 255)], np.float32)
        part[...] = part * (1 - cover) + (ends[0] * (1 - share) + ends[1] * share) * cover
