"""What is on the device itself: camera, model, power supply."""

import shutil
import subprocess
from time import monotonic, perf_counter

import numpy as np

from astraea.protocol import AstraeaError

from ..camera import Frame, open_camera, without_password
from ..engine import load
from .finding import Finding

_FRAMES = 10
_PATIENCE_S = 5.0
_DARK = 6.0
"""Mean of all pixels, of 255: less than a camera sees in a dim room."""
_INFERENCES = 3
_VCGENCMD = "vcgencmd"
_UNDER_VOLTAGE, _THROTTLED, _HOT = 1 << 0, 1 << 2, 1 << 3
_SINCE_BOOT = 16
"""Bits of `vcgencmd get_throttled`; those that many places higher say the same of the time since boot.

https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
"""


def check_camera(source: str, size: tuple[int, int] | None = None) -> tuple[Finding, Frame | None]:
    """Open a camera and read some frames.

    Returns:
        What was found, and a frame for the checks that want one.
    """
    subject = f"camera {without_password(source)}"
    try:
        with open_camera(source, size=size, patience_s=_PATIENCE_S) as camera:
            frame = camera.read()
            start, count = monotonic(), 0
            while frame and count < _FRAMES and monotonic() - start < _PATIENCE_S and (more := camera.read()):
                frame, count = more, count + 1
            elapsed_s = monotonic() - start
    except AstraeaError as error:
        return Finding.failure(subject, error), None
    if frame is None:
        return Finding(subject, "failed", "it gives no frame"), None
    height, width = frame.image.shape[:2]
    text = f"{width} x {height} px" + (f", {count / elapsed_s:.0f} frames/s as fast as they are read" if count else "")
    if frame.image.mean() < _DARK:
        return Finding(subject, "warning", f"{text}, but the picture is black", "is there a cap on the lens?"), frame
    return Finding(subject, "ok", text), frame


def check_model(local: str | None, frame: Frame | None) -> Finding:
    """Load the device's own model and time it, on a frame of the camera where there is one."""
    if local is None:
        return Finding(
            "model",
            "warning",
            "none on the device: while no edge server can be reached, frames stay unanswered",
            "name one with --local, such as --local yolo-fastest (`astraea models list`)",
        )
    subject = f"model {local}"
    image = frame.image if frame else np.zeros((480, 640, 3), np.uint8)
    try:
        detector = load(local)
        detector.detect(image)
        start = perf_counter()
        for _ in range(_INFERENCES):
            found = detector.detect(image)
    except AstraeaError as error:
        return Finding.failure(subject, error)
    ms = (perf_counter() - start) * 1000 / _INFERENCES
    return Finding(subject, "ok", f"{ms:.0f} ms a frame on this device, {len(found)} found in the last one")


def check_power() -> Finding | None:
    """What a Raspberry Pi says of its power supply and heat; None on another machine."""
    command = shutil.which(_VCGENCMD)
    if command is None:
        return None
    done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - nothing of it comes from outside
    try:
        return judge_power(int(done.stdout.strip().partition("=")[2], 16))
    except ValueError:
        return Finding("power", "warning", f"{_VCGENCMD} get_throttled said {done.stdout.strip()!r}")


def judge_power(bits: int) -> Finding:
    """Make sense of `vcgencmd get_throttled`."""
    now, ever = bits, bits >> _SINCE_BOOT
    if (now | ever) & _UNDER_VOLTAGE:
        when = "now" if now & _UNDER_VOLTAGE else "since it was started"
        return Finding("power", "warning", f"under-voltage {when}: the CPU is slowed", "use the supply made for the Pi")
    if (now | ever) & (_THROTTLED | _HOT):
        when = "now" if now & (_THROTTLED | _HOT) else "since it was started"
        return Finding("power", "warning", f"too hot {when}: the CPU is slowed", "give it a heat sink or a fan")
    return Finding("power", "ok", "the supply holds, and it is not too hot")
