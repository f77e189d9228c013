"""From the address of a camera, as people write it, to the camera."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ..errors import CameraError
from .base import Camera
from .capture import open_stream, open_v4l2, open_video
from .files import IMAGE_SUFFIXES, open_images
from .pi import open_pi

KINDS = (
    "synthetic:, picamera2:, usb:0 or /dev/video0, rtsp://HOST/PATH, http://HOST/PATH, a video file, a folder of images"
)
MAX_SIDE_PX = 8192
MAX_FPS = 1000.0

_SHORT = {"synthetic": "synthetic:", "picamera2": "picamera2:", "pi": "picamera2:"}
_V4L2 = re.compile(r"(?:usb:|/dev/video)?(\d{1,3})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def open_camera(
    uri: str, *, size: tuple[int, int] | None = None, fps: float | None = None, patience_s: float | None = None
) -> Camera:
    """Open a camera by its address.

    A live camera (picamera2, V4L2, network) that stalls or disappears is opened again as soon as it can be; meanwhile
    its `trouble` says what is wrong, and so does the log of `astraea.device.camera`.

    | address | camera |
    | --- | --- |
    | `synthetic:`, `synthetic:?frames=120&seed=7` | a street painted by the program; the plates in it are known |
    | `picamera2:`, `picamera2:1`, `pi` | a Raspberry Pi's camera, through picamera2 |
    | `/dev/video0`, `/dev/v4l/by-id/...`, `usb:0`, `0` | a USB or other V4L2 camera |
    | `rtsp://...`, `http://...`, `https://...` | a network camera (who reads slowly misses frames), or a video |
    | a file | a video, every frame of it, or one image |
    | a folder | its images (JPEG, PNG, WebP, BMP) by name |

    Args:
        uri: The address.
        size: Width and height in pixels for cameras that have a choice: synthetic (default 640 x 480), picamera2
            (default 1280 x 720), V4L2 (default its own; it may give what is nearest). Files and streams come in their
            own size.
        fps: Frames per second for cameras that have a choice. Files, folders and the synthetic scene come as fast as
            they are read without it, and no faster than this with it; network cameras come as they are sent.
        patience_s: How long a live camera may be away before `read` raises; None waits for its return.

    Raises:
        CameraError: There is no such camera, or it can't be used; the hint says what to do.
    """
    _check(size, fps)
    uri = _SHORT.get(uri, uri)
    number = _V4L2.fullmatch(uri)
    if number:
        uri = f"/dev/video{int(number[1])}"
    if uri.startswith("/dev/"):
        return open_v4l2(uri, size=size, fps=fps, patience_s=patience_s)
    scheme = _SCHEME.match(uri)
    match scheme[1].lower() if scheme else None:
        case "synthetic":
            return _open_synthetic(uri, size, fps)
        case "picamera2":
            return open_pi(_camera_number(uri), size=size, fps=fps, patience_s=patience_s)
        case "rtsp" | "rtsps" | "http" | "https":
            return open_stream(uri, fps=fps, patience_s=patience_s)
    if scheme and not Path(uri).exists():
        raise CameraError(f"{uri}: there is no kind of camera called {scheme[1]!r}", hint=f"there are: {KINDS}")
    return _open_path(Path(uri), fps)


def _check(size: tuple[int, int] | None, fps: float | None) -> None:
    if size is not None and not all(16 <= side <= MAX_SIDE_PX for side in size):
        raise CameraError(f"a size of {size[0]} x {size[1]} px is not possible: 16 to {MAX_SIDE_PX} a side")
    if fps is not None and not 0 < fps <= MAX_FPS:
        raise CameraError(f"{fps:g} frames per second are not possible: more than 0, at most {MAX_FPS:g}")


def _open_path(path: Path, fps: float | None) -> Camera:
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return open_images(path, fps=fps)
    return open_video(path, fps=fps)


def _camera_number(uri: str) -> int:
    text = uri.partition(":")[2] or "0"
    if not re.fullmatch(r"\d{1,2}", text):
        raise CameraError(f"{uri}: {text!r} is not the number of a camera", hint="the first one is `picamera2:0`")
    return int(text)


def _open_synthetic(uri: str, size: tuple[int, int] | None, fps: float | None) -> Camera:
    """Read the options of `synthetic:?frames=120&seed=7` and open the scene."""
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for key, value in options.items():
        if key not in ("frames", "seed") or not re.fullmatch(r"\d{1,9}", value):
            raise CameraError(
                f"{uri}: {key}={value} is no option of the synthetic scene",
                hint="it has frames=NUMBER and seed=NUMBER, such as `synthetic:?frames=120&seed=7`",
            )
    if parts.netloc or parts.path:
        raise CameraError(f"{uri}: options of the synthetic scene follow a `?`", hint="try `synthetic:?frames=120`")
    try:
        from .synthetic import SyntheticCamera  # noqa: PLC0415 - needs pillow and a font, which only the demo installs
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("astraea"):
            raise
        raise CameraError(
            f"the synthetic scene needs the package {error.name!r}, which is not installed",
            hint="pip install 'astraea[demo]'",
        ) from None
    frames = options.get("frames")
    return SyntheticCamera(
        frames=int(frames) if frames else None, seed=int(options.get("seed", "0")), size=size or (640, 480), fps=fps
    )
