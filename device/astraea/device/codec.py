"""A frame's image as bytes for the wire."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .encoding import Encoding, Size
from .errors import DeviceError

JPEG_MEDIA_TYPE = "image/jpeg"


def check_picture(image: NDArray[np.uint8]) -> None:
    """Whether it can be encoded and looked at.

    Raises:
        DeviceError: it is not RGB uint8 H x W x 3.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DeviceError(f"an image must be RGB uint8 of shape H x W x 3, not {image.dtype} of shape {image.shape}")


def encode(image: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Compress an RGB uint8 H x W x 3 image, scaled down before where the encoding says so."""
    original = Size(image.shape[1], image.shape[0])
    size = encoding.size(original)
    scaled = image if size == original else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, encoding.quality]
    )
    return jpeg.tobytes()
