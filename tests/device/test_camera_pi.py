"""The Pi camera on the real picamera2 and libcamera, driving libcamera's virtual camera.

What it can't prove is what a Pi alone has: the sensor, the ISP that makes RGB of its data, the hardware encoder.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need

_PROJECT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).parent / "virtual_pi"
_PARTS = ("protocol", "models", "device")
_ROOT = Path(os.environ.get("ASTRAEA_TEST_PI", "/var/tmp/astraea-virtual-pi"))


@pytest.fixture
def frames() -> Any:
    """Frames of the virtual camera, as `virtual_pi/frames.py` tells of them."""
    check = subprocess.run([_HERE / "prepare", _ROOT, "--check"], check=False)
    ready = check.returncode == 0 and os.geteuid() == 0
    need("picamera2", ready, f"there is no virtual Pi: sudo tests/device/virtual_pi/prepare {_ROOT}, then test as root")
    for part in _PARTS:
        shutil.rmtree(_ROOT / "astraea" / part)
        shutil.copytree(_PROJECT / part, _ROOT / "astraea" / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_HERE / "frames.py", _ROOT)

    def take(width: int, height: int, count: int) -> list[dict[str, Any]]:
        path = "PYTHONPATH=" + ":".join(f"/astraea/{part}" for part in _PARTS)
        command = ["chroot", str(_ROOT), "env", "-i", path, "LD_PRELOAD=/heaps.so", "/venv/bin/python", "/frames.py"]
        numbers = map(str, (width, height, count))
        done = subprocess.run([*command, *numbers], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return take


@pytest.mark.parametrize("size", [(640, 480), (1280, 720)])
def test_the_real_picamera2_delivers_rgb_of_the_size_asked_for(frames: Any, size: tuple[int, int]) -> None:
    *taken, again = frames(*size, 4)
    assert [frame["seq"] for frame in taken] == [0, 1, 2, 3]
    assert again == {"seq": 0}
    for frame in taken:
        assert (frame["shape"], frame["dtype"]) == ([size[1], size[0], 3], "uint8")
        assert frame["new"]
        assert 0 <= frame["age_s"] < 1
        # white, yellow, cyan, green, magenta, red, blue, black
        for pixel, bar in zip(frame["bars"], ("111", "110", "011", "010", "101", "100", "001", "000"), strict=True):
            assert "".join(str(int(value > 110)) for value in pixel) == bar
