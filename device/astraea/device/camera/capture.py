"""Cameras and videos that OpenCV reads: V4L2, network streams, video files."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import CameraError
from .base import Camera, Frame, Pacer
from .live import OPEN_TIMEOUT_S, STALL_S, LiveCamera

_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET: our error says the same in one line


def open_v4l2(
    device: str, *, size: tuple[int, int] | None = None, fps: float | None = None, patience_s: float | None = None
) -> Camera:
    """A camera below `/dev`, such as `/dev/video0`; opened again when it was unplugged and is back.

    Raises:
        CameraError: It is not there, not ours to use, or gives no picture.
    """
    settings: dict[int, float] = {cv2.CAP_PROP_BUFFERSIZE: 1}
    if size:
        settings |= {cv2.CAP_PROP_FRAME_WIDTH: size[0], cv2.CAP_PROP_FRAME_HEIGHT: size[1]}
    if fps:
        settings[cv2.CAP_PROP_FPS] = fps
    opening = partial(_open_v4l2, device, settings)
    return LiveCamera(opening(), opening, device, patience_s=patience_s)


def _open_v4l2(device: str, settings: dict[int, float]) -> Camera:
    if not Path(device).exists():
        others = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise CameraError(
            f"there is no camera {device}",
            hint=f"there are: {', '.join(others)}" if others else "none is connected; `synthetic:` needs none",
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(f"{device} may not be used by this user", hint="sudo usermod -aG video $USER, then log in")
    capture = _open(device, cv2.CAP_V4L2)
    if capture is None:
        raise CameraError(
            f"{device} can't be opened as a camera",
            hint=f"another program may use it (`fuser -v {device}`), or it is a codec: try the next number",
        )
    for setting, value in settings.items():
        capture.set(setting, value)  # a camera without the setting keeps its own: the picture tells
    return Video(capture, device, endless=True)


def open_stream(url: str, *, fps: float | None = None, patience_s: float | None = None) -> Camera:
    """A network camera, of which the newest frame is read, or a video on a web server, of which all are.

    A network camera that breaks off is connected to again.

    Raises:
        CameraError: Nobody answers there within `OPEN_TIMEOUT_S`, or it is no video.
    """
    name = without_password(url)
    capture = _open_url(url)
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:  # it has an end, so it is a file; live streams have none to tell
        return Video(capture, name, fps=fps)
    live = partial(Video, name=name, endless=True)
    return LiveCamera(live(capture), lambda: live(_open_url(url)), name, patience_s=patience_s)


def _open_url(url: str) -> cv2.VideoCapture:
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        round(OPEN_TIMEOUT_S * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(STALL_S * 1000),
    ]
    capture = _open(url, cv2.CAP_FFMPEG, timeouts)
    if capture is None:
        raise CameraError(
            f"{without_password(url)} gives no video",
            hint="check the address, the password in it (rtsp://USER:PASSWORD@HOST/PATH) and that the camera is on",
        )
    return capture


def open_video(path: Path, *, fps: float | None = None) -> Camera:
    """A video file, every frame of it.

    Raises:
        CameraError: There is no such file, or OpenCV's FFmpeg can't read it.
    """
    if not path.exists():
        raise CameraError(f"there is no file or folder {path}", hint="check the path")
    capture = _open(str(path), cv2.CAP_FFMPEG)
    if capture is None:
        raise CameraError(
            f"{path} is damaged or not a video", hint="`ffmpeg -i FILE -c:v libx264 good.mp4` repairs or converts many"
        )
    return Video(capture, str(path), fps=fps)


class Video(Camera):
    """What OpenCV reads, frame by frame: a file with an end, or an `endless` source that should have none."""

    def __init__(
        self, capture: cv2.VideoCapture, name: str, *, fps: float | None = None, endless: bool = False
    ) -> None:
        self._capture = capture
        self._name = name
        self._pacer = Pacer(fps)
        self._endless = endless
        self._seq = 0

    def read(self) -> Frame | None:
        """The next frame; None at the end.

        Raises:
            CameraError: Not even the first one can be decoded, or what should be endless has stopped.
        """
        self._pacer.wait()
        ok, image = self._capture.read()
        if not ok:
            if self._endless:
                raise CameraError(f"{self._name} has stopped")
            if self._seq == 0:
                raise CameraError(f"{self._name} has no frame that can be decoded")
            return None
        frame = Frame(_to_rgb(image), self._seq, monotonic())
        self._seq += 1
        return frame

    def close(self) -> None:
        """Close the file or the connection."""
        self._capture.release()


def _open(source: str, backend: int, parameters: Sequence[int] = ()) -> cv2.VideoCapture | None:
    """Open quietly: OpenCV and FFmpeg print on stderr what our errors say."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)  # read once, when FFmpeg is first used
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(source, backend, list(parameters))
    finally:
        cv2.utils.logging.setLogLevel(level)
    return capture if capture.isOpened() else None


def _to_rgb(image: cv2.typing.MatLike) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def without_password(url: str) -> str:
    """The address as it may be shown: what stands before the `@` left out."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path
