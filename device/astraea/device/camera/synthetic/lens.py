"""A pinhole camera, and flat pictures drawn where they stand in front of it.

The world: x to the right, y up, z ahead, in metres; the ground is y = 0 and the camera stands above the origin.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Lens:
    """Where a camera stands, where it looks and how much it sees; angles in degrees, to the left and down."""

    width: int
    height: int
    focal_px: float
    above_ground_m: float
    left_deg: float
    down_deg: float

    @functools.cached_property
    def _rotation(self) -> NDArray[np.float64]:
        """From the world's axes to the camera's: x right, y down, z along its view."""
        yaw, pitch = math.radians(self.left_deg), math.radians(self.down_deg)
        turn = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        tilt = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
        return np.asarray(np.diag([1.0, -1.0, 1.0]) @ tilt @ turn)

    def project(self, points: NDArray[Any]) -> Points:
        """Where points (N x 3, metres) are seen (N x 2, pixels); they must lie before the camera."""
        seen = (points - np.array([0, self.above_ground_m, 0])) @ self._rotation.T
        centre = np.array([self.width / 2, self.height / 2])
        return np.asarray(centre + self.focal_px * seen[:, :2] / seen[:, 2:], np.float32)

    def rays(self) -> Points:
        """The direction in the world that each pixel looks in: H x W x 3, not of unit length."""
        seen = np.empty((self.height, self.width, 3), np.float32)
        seen[..., 0] = np.arange(self.width) + 0.5 - self.width / 2
        seen[..., 1] = (np.arange(self.height) + 0.5 - self.height / 2)[:, None]
        seen[..., 2] = self.focal_px
        return np.asarray(seen @ self._rotation.astype(np.float32), np.float32)


class Sprite:
    """A flat picture with transparency, kept in halving sizes so that a distant one is drawn without flicker.

    Args:
        rgba: H x W x 4, the colours premultiplied with the fourth channel.
    """

    def __init__(self, rgba: Pixels) -> None:
        self._sizes = [rgba]

    def without_left(self, share: float) -> "Sprite":
        """What is left when this share of its width, less than 1, is cut off from the left."""
        whole = self._sizes[0]
        return Sprite(whole[:, min(int(share * whole.shape[1]), whole.shape[1] - 2) :])

    def draw(self, image: Pixels, quad: Points, light: float = 1.0) -> None:
        """Draw it into an RGB image with its corners (top left, clockwise) at `quad` (4 x 2), lit by `light`."""
        left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + 2, (image.shape[1], image.shape[0]))
        if left >= right or top >= bottom or (right - left) * (bottom - top) < 40:
            return
        texture = self._fitting(quad)
        height, width = texture.shape[:2]
        # Pixel centres are whole numbers to OpenCV and halves to us.
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        place = cv2.getPerspectiveTransform(corners, (quad - (left, top) - 0.5).astype(np.float32))
        patch = cv2.warpPerspective(texture, place, (int(right - left), int(bottom - top)))
        _blend(image[top:bottom, left:right], patch, light)

    def _fitting(self, quad: Points) -> Pixels:
        """The smallest size that has not fewer pixels than are to be drawn, along its better resolved side."""
        left_top, right_top, right_bottom, left_bottom = quad.tolist()
        wide = max(math.dist(left_top, right_top), math.dist(left_bottom, right_bottom), 1.0)
        high = max(math.dist(left_top, left_bottom), math.dist(right_top, right_bottom), 1.0)
        height, width = self._sizes[0].shape[:2]
        halvings = int(math.log2(max(min(width / wide, height / high), 1.0)))
        while len(self._sizes) <= halvings and min(self._sizes[-1].shape[:2]) > 8:
            height, width = self._sizes[-1].shape[:2]
            half = cv2.resize(self._sizes[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            self._sizes.append(np.asarray(half, np.uint8))
        return self._sizes[min(halvings, len(self._sizes) - 1)]


def _blend(under: Pixels, patch: cv2.typing.MatLike, light: float) -> None:
    """Lay a premultiplied patch over a part of an image, in place."""
    shown_through = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(patch, 3)), cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(under, shown_through, scale=1 / 255)
    under[...] = cv2.addWeighted(cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), light, behind, 1.0, 0.0)
