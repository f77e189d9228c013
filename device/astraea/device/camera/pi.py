"""A Raspberry Pi's own camera, through picamera2."""

from functools import partial
from time import monotonic
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import CameraError
from .base import Camera, Frame
from .live import STALL_S, LiveCamera

DEFAULT_SIZE = (1280, 720)

_BUFFERS = 4  # one exposing, one in the ISP, one complete, one with us
# libcamera names formats from the highest byte down, so this one lies in memory as R, G, B: what numpy shows as RGB.
_RGB_FORMAT = "BGR888"
# What a camera without the Pi's ISP may give instead, a USB camera for instance.
_CONVERSIONS = {
    "NV12": cv2.COLOR_YUV2RGB_NV12,
    "RGB888": cv2.COLOR_BGR2RGB,
    "YUV420": cv2.COLOR_YUV2RGB_I420,
    "YUYV": cv2.COLOR_YUV2RGB_YUYV,
}


def open_pi(
    number: int = 0,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    patience_s: float | None = None,
) -> Camera:
    """A Pi camera that is opened again after an outage; for the arguments and errors see `PiCamera`."""
    opening = partial(PiCamera, number, size=size, fps=fps)
    return LiveCamera(opening(), opening, f"the Pi camera {number}", eager=False, patience_s=patience_s)


class PiCamera(Camera):
    """The camera of a Raspberry Pi; `read` waits for the next exposure, so that no frame is an old one.

    Args:
        number: 0 is the first camera that `rpicam-hello --list-cameras` shows.
        size: Width and height in pixels; the ISP scales to it.
        fps: Frames per second; None leaves it to the camera.

    Raises:
        CameraError: picamera2 is not installed, there is no such camera, or it can't be used.
    """

    def __init__(self, number: int = 0, *, size: tuple[int, int] | None = None, fps: float | None = None) -> None:
        driver = _driver()
        cameras = driver.global_camera_info()
        if number >= len(cameras):
            raise CameraError(
                f"there is no Pi camera {number}: libcamera finds {len(cameras)}",
                hint="check the ribbon cable; `rpicam-hello --list-cameras` shows what is connected",
            )
        self._seq = 0
        self._size = size or DEFAULT_SIZE
        self._camera: Any = None
        try:
            self._camera = driver(number)
            self._start(fps)
        except (RuntimeError, OSError, ValueError) as error:  # what picamera2 and libcamera's binding raise
            self.close()
            raise CameraError(
                f"the Pi camera {number} can't be started: {error}", hint="another program may be using it"
            ) from error

    def _start(self, fps: float | None) -> None:
        configuration = self._camera.create_video_configuration(
            main={"size": self._size, "format": _RGB_FORMAT},
            buffer_count=_BUFFERS,
            controls={"FrameRate": fps} if fps else {},
            queue=False,  # a frame completed before it was asked for is an old one
        )
        self._camera.configure(configuration)
        self._format = self._camera.camera_configuration()["main"]["format"]
        if self._format != _RGB_FORMAT and self._format not in _CONVERSIONS:
            raise ValueError(f"it gives {self._format}, not one of {', '.join((_RGB_FORMAT, *_CONVERSIONS))}")
        self._camera.start()

    def read(self) -> Frame:
        """The next exposure.

        Raises:
            CameraError: None came within `STALL_S`, or the camera was closed.
        """
        if self._camera is None:
            raise CameraError("the Pi camera is closed")
        try:
            request = self._camera.capture_request(wait=STALL_S)
        except TimeoutError:
            raise CameraError(
                f"the Pi camera gave no picture for {STALL_S:g} s", hint="check the ribbon cable, then open it again"
            ) from None
        try:
            image = self._to_rgb(request.make_array("main"))
            exposed_ns = request.get_metadata().get("SensorTimestamp")
        finally:
            request.release()
        # Kernel drivers stamp buffers with the monotonic clock, the one that picamera2 itself compares this with.
        frame = Frame(image, self._seq, exposed_ns / 1e9 if exposed_ns else monotonic())
        self._seq += 1
        return frame

    def _to_rgb(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._format == _RGB_FORMAT:
            return image
        return np.asarray(cv2.cvtColor(image, _CONVERSIONS[self._format]), np.uint8)

    def close(self) -> None:
        """Stop the camera and let other programs have it."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None


def _driver() -> Any:
    try:
        from picamera2 import Picamera2  # noqa: PLC0415 - only a Pi has it, and it takes a second to import
    except ImportError as error:
        raise CameraError(
            f"a Pi camera needs picamera2, which can't be imported: {error}",
            hint="pip install 'astraea[pi]', in an environment made with `python3 -m venv --system-site-packages`, "
            "after sudo apt install python3-libcamera python3-kms++",
        ) from None
    return Picamera2
