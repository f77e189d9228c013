"""Fitting an image into the fixed size of a network's input, and finding the way back."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_VALUE = 114  # the grey that ultralytics pads with in training; Darknet's is 127


class Letterbox(NamedTuple):
    """Where an image lies in a network's input: scaled, its proportions kept, and centred between grey bars.

    The two scales differ by the rounding to whole pixels alone, so that boxes find their way back exactly.
    """

    input_width: int
    input_height: int
    scale_x: float
    scale_y: float
    left: int
    top: int

    @classmethod
    def fit(cls, image_width: int, image_height: int, input_width: int, input_height: int) -> "Letterbox":
        """The largest placement of an image in an input; all sizes in pixels and at least 1."""
        scale = min(input_width / image_width, input_height / image_height)
        width = max(1, round(image_width * scale))
        height = max(1, round(image_height * scale))
        return cls(
            input_width,
            input_height,
            width / image_width,
            height / image_height,
            (input_width - width) // 2,
            (input_height - height) // 2,
        )

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize and pad an image (uint8 H x W x 3) of the size that was fitted."""
        height, width = image.shape[:2]
        size = (round(width * self.scale_x), round(height * self.scale_y))
        canvas = np.full((self.input_height, self.input_width, 3), PAD_VALUE, np.uint8)
        target = canvas[self.top : self.top + size[1], self.left : self.left + size[0]]
        target[...] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        return canvas

    def to_image(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take input coordinates (... x 2k: x, y, x, y ...) back to pixels of the image."""
        offset = np.array([self.left, self.top], np.float32)
        scale = np.array([self.scale_x, self.scale_y], np.float32)
        return np.asarray((xy.reshape(*xy.shape[:-1], -1, 2) - offset) / scale, np.float32).reshape(xy.shape)


def to_blob(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An RGB image (uint8 H x W x 3) as a network takes it: float32 1 x 3 x H x W, 0 to 1."""
    return np.asarray(cv2.dnn.blobFromImage(image, 1 / 255), np.float32)
