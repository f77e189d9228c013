"""Live detection on whatever camera there is, with a page to watch; with an edge server, wherever it is sooner.

It looks for a camera and runs `astraea camera` with what suits it, which it prints.
"""

import argparse
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

_FIRST_USB = Path("/dev/video0")
_STREET = "synthetic:"
_OBJECTS, _PLATES = ("objects", "yolo-fastest"), ("plates", "plates")
"""A service, and the model of the zoo that answers on the device. In the painted street there is nothing but plates."""


def find_camera() -> str:
    """The Pi's own if there is one, else the first USB camera, else the painted street."""
    if find_spec("picamera2"):
        from picamera2 import Picamera2  # noqa: PLC0415 - only a Pi has it

        if Picamera2.global_camera_info():
            return "picamera2:"
    return str(_FIRST_USB) if _FIRST_USB.exists() else _STREET


def command(source: str, more: list[str]) -> list[str]:
    """The command line for a camera; of what is given twice, the later holds."""
    service, model = _PLATES if source.startswith(_STREET) else _OBJECTS
    return ["astraea", "camera", service, "--source", source, "--local", model, *more]


def main() -> None:
    """Become `astraea camera`."""
    parser = argparse.ArgumentParser(
        prog="python -m demos.pi_camera",
        description=__doc__,
        epilog="Other options go to `astraea camera`: --edge URL, --broker URL, --host 0.0.0.0 to watch from a phone.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kinds = "picamera2:, /dev/video0, rtsp://HOST/PATH, a video, a folder, synthetic: (default: looks for a camera)"
    parser.add_argument("--source", metavar="URI", help=kinds)
    given, more = parser.parse_known_args()
    words = command(given.source or find_camera(), more)
    sys.stderr.write(f"$ {shlex.join(words)}\n")
    os.execv(sys.executable, [sys.executable, "-m", "astraea.deployer", *words[1:]])  # noqa: S606 - our own command


if __name__ == "__main__":
    main()
