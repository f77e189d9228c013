"""Fitting an image into the fixed size of a network's input, and finding the way back."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .metadata import Fit

_PAD_VALUE = 114  # the grey of ultralytics' training; Darknet's is 127


class Placement(NamedTuple):
    """Where an image lies in a network's input, once scaled."""

    input_width: int
    input_height: int
    scale_x: float
    scale_y: float
    left: int
    top: int

    @classmethod
    def letterbox(cls, image_width: int, image_height: int, input_width: int, input_height: int) -> "Placement":
        """The largest with the proportions kept, centred; all sizes in pixels and at least 1.

        The two scales differ only by the rounding to whole pixels, so that boxes find their way back exactly.
        """
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

    @classmethod
    def stretch(cls, image_width: int, image_height: int, input_width: int, input_height: int) -> "Placement":
        """All of the input, whatever comes of the proportions; all sizes in pixels and at least 1."""
        return cls(input_width, input_height, input_width / image_width, input_height / image_height, 0, 0)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """An RGB image (uint8 H x W x 3) as a network takes it: float32 1 x 3 x input height x input width, 0 to 1."""
        height, width = image.shape[:2]
        size = (round(width * self.scale_x), round(height * self.scale_y))
        canvas = np.full((self.input_height, self.input_width, 3), _PAD_VALUE, np.uint8)
        target = canvas[self.top : self.top + size[1], self.left : self.left + size[0]]
        target[...] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.dnn.blobFromImage(canvas, 1 / 255), np.float32)

    def to_image(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take boxes (N x 4: x1, y1, x2, y2) from pixels of the input to pixels of the image."""
        offset = np.array([self.left, self.top] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return np.asarray((boxes - offset) / scale, np.float32)


PLACEMENTS: Mapping[Fit, Callable[[int, int, int, int], Placement]] = {
    "letterbox": Placement.letterbox,
    "stretch": Placement.stretch,
}
