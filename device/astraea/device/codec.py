"""A frame's image as bytes for the wire."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .encoding import Encoding, Size
from .errors import DeviceError

JPEG_MEDIA_TYPE = "image/jpeg"

_BAND_PIXELS = 1 << 16
"""OpenCV shares out the conversion of more pixels than this among threads, which then spin for as long as it takes to
encode half of a frame, to save a twentieth of that."""


class Payload(NamedTuple):
    """A frame as it is sent."""

    data: bytes
    media_type: str
    keyframe: bool = False
    """Whether it is one of a video that refers to none before it: its size says nothing of those that follow."""


def check_picture(image: NDArray[np.uint8]) -> None:
    """Whether it can be encoded and looked at.

    Raises:
        DeviceError: it is not RGB uint8 H x W x 3.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DeviceError(f"an image must be RGB uint8 of shape H x W x 3, not {image.dtype} of shape {image.shape}")


def scaled(image: NDArray[np.uint8], encoding: Encoding) -> NDArray[np.uint8]:
    """An RGB uint8 H x W x 3 image in the size that the encoding asks for."""
    original = Size(image.shape[1], image.shape[0])
    size = encoding.size(original)
    return image if size == original else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode(image: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Compress an RGB uint8 H x W x 3 image, scaled down before where the encoding says so."""
    picture = _bgr(scaled(image, encoding))
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, encoding.quality])[1].tobytes()


def _bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in OpenCV's order of colours, converted on this thread."""
    picture = np.empty(image.shape, np.uint8)
    rows = max(1, _BAND_PIXELS // image.shape[1])
    for top in range(0, image.shape[0], rows):
        cv2.cvtColor(image[top : top + rows], cv2.COLOR_RGB2BGR, dst=picture[top : top + rows])
    return picture
