"""Cameras and videos that OpenCV reads: V4L2, network streams, video files."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import CameraError
from .base import Camera, Frame, Pacer

OPEN_TIMEOUT_S = 8.0
"""A network camera may take seconds to start its encoder."""
STALL_S = 5.0
"""A live camera that gives no picture for this long is taken for dead."""

_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET: our error says the same in one line


def open_v4l2(device: str, *, size: tuple[int, int] | None = None, fps: float | None = None) -> Camera:
    """A camera below `/dev`, such as `/dev/video0`.

    Raises:
        CameraError: It is not there, not ours to use, or gives no picture.
    """
    if not Path(device).exists():
        others = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise CameraError(
            f"there is no camera {device}",
            hint=f"there are: {', '.join(others)}" if others else "none is connected; `synthetic:` needs none",
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(f"{device} may not be used by this user", hint="sudo usermod -aG video $USER, then log in")
    settings: dict[int, float] = {cv2.CAP_PROP_BUFFERSIZE: 1}
    if size:
        settings |= {cv2.CAP_PROP_FRAME_WIDTH: size[0], cv2.CAP_PROP_FRAME_HEIGHT: size[1]}
    if fps:
        settings[cv2.CAP_PROP_FPS] = fps
    capture = _open(device, cv2.CAP_V4L2)
    if capture is None:
        raise CameraError(
            f"{device} can't be opened as a camera",
            hint=f"another program may use it (`fuser -v {device}`), or it is a codec: try the next number",
        )
    for setting, value in settings.items():
        capture.set(setting, value)  # a camera without the setting keeps its own: the picture tells
    return LiveVideo(capture, device)


def open_stream(url: str, *, fps: float | None = None) -> Camera:
    """A network camera, of which the newest frame is read, or a video on a web server, of which all are.

    Raises:
        CameraError: Nobody answers there within `OPEN_TIMEOUT_S`, or it is no video.
    """
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        round(OPEN_TIMEOUT_S * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(STALL_S * 1000),
    ]
    capture = _open(url, cv2.CAP_FFMPEG, timeouts)
    if capture is None:
        raise CameraError(
            f"{_without_password(url)} gives no video",
            hint="check the address, the password in it (rtsp://USER:PASSWORD@HOST/PATH) and that the camera is on",
        )
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:  # it has an end, so it is a file; live streams have none to tell
        return Video(capture, _without_password(url), fps=fps)
    return LiveVideo(capture, _without_password(url))


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
    """A video with an end, of which no frame is left out."""

    def __init__(self, capture: cv2.VideoCapture, name: str, *, fps: float | None = None) -> None:
        self._capture = capture
        self._name = name
        self._pacer = Pacer(fps)
        self._seq = 0

    def read(self) -> Frame | None:
        """The next frame; None at the end.

        Raises:
            CameraError: Not even the first one can be decoded.
        """
        self._pacer.wait()
        ok, image = self._capture.read()
        if not ok:
            if self._seq == 0:
                raise CameraError(f"{self._name} has no frame that can be decoded")
            return None
        frame = Frame(_to_rgb(image), self._seq, monotonic())
        self._seq += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class LiveVideo(Camera):
    """A camera that goes on whether it is read or not: a thread takes every frame, `read` gets the newest.

    Without the thread a slow reader would find frames waiting in the driver's or the network's buffers, each older
    than the one before.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture = capture
        self._name = name
        self._newest: tuple[cv2.typing.MatLike, float] | None = None
        self._stopping = self._ended = False
        self._seq = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._take, name=f"camera {name}", daemon=True)
        self._thread.start()

    def read(self) -> Frame:
        """The newest frame that was not read before; waits for one.

        Raises:
            CameraError: None came within `STALL_S`, the stream broke off, or the camera was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._ended, STALL_S)
            if self._newest is None:
                reason = "has stopped" if self._ended else f"gave no picture for {STALL_S:g} s"
                raise CameraError(
                    f"{self._name} {reason}", hint="check its cable, power and network, then open it again"
                )
            (image, captured_at), self._newest = self._newest, None
            frame = Frame(_to_rgb(image), self._seq, captured_at)
            self._seq += 1
            return frame

    def close(self) -> None:
        """Stop the camera; returns within about a frame's time, or `STALL_S` if it hangs."""
        self._stopping = True
        self._thread.join(STALL_S + 1)

    def _take(self) -> None:
        try:
            while not self._stopping:
                ok, image = self._capture.read()
                if not ok:
                    break
                with self._changed:
                    self._newest = (image, monotonic())
                    self._changed.notify_all()
        finally:
            self._capture.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()


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


def _without_password(url: str) -> str:
    """The address as it may be shown: what stands before the `@` left out."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path
