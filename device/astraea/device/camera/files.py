"""Images of a folder, by name, as a camera."""

from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import CameraError
from .base import Camera, Frame, Pacer

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MAX_IMAGE_BYTES = 64 * 2**20
MAX_IMAGE_PX = 64_000_000
"""More than any camera module of a Raspberry Pi takes; 192 MB as RGB."""


def open_images(path: Path, *, fps: float | None = None) -> Camera:
    """The images of a folder in the order of their names, or one image.

    Raises:
        CameraError: There is no such file or folder, or the folder has no image.
    """
    if not path.exists():
        raise CameraError(f"there is no file or folder {path}", hint="check the path")
    if path.is_file():
        return ImageFiles([path], fps=fps)
    try:
        images = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as error:
        raise CameraError(f"the folder {path} can't be read: {error.strerror}") from None
    if not images:
        raise CameraError(
            f"there is no image in the folder {path}", hint=f"put some there: {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return ImageFiles(images, fps=fps)


class ImageFiles(Camera):
    """Image files, one frame each; the read after one that failed goes on with the next file."""

    def __init__(self, paths: list[Path], *, fps: float | None = None) -> None:
        self._paths = iter(paths)
        self._pacer = Pacer(fps)
        self._seq = 0

    def read(self) -> Frame | None:
        """The next file's picture; None after the last.

        Raises:
            CameraError: It is damaged or too large; the message names it.
        """
        path = next(self._paths, None)
        if path is None:
            return None
        self._pacer.wait()
        frame = Frame(_read_image(path), self._seq, monotonic())
        self._seq += 1
        return frame


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_IMAGE_BYTES:
            raise CameraError(f"{path} has {size_bytes} bytes; an image may have {MAX_IMAGE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise CameraError(f"{path} can't be read: {error.strerror}") from None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    except cv2.error:  # how OpenCV refuses some headers
        image = None
    if image is None:
        raise CameraError(f"{path} is damaged or not an image", hint="remove it, or replace it with a good copy")
    height, width = image.shape[:2]
    if width * height > MAX_IMAGE_PX:
        raise CameraError(f"{path} has {width} x {height} px; an image may have {MAX_IMAGE_PX / 1e6:.0f} Mpx")
    return np.asarray(image, np.uint8)
