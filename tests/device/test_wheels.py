"""A device has no compiler: all that it installs must come as wheels, for 64-bit ARM as well, for every Python."""

import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.conftest import need

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
EXTRAS = ("device", "metrics", "supervision", "webrtc")


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_all_that_a_device_installs_has_wheels_for_64_bit_arm(python: str) -> None:
    command = [find_uv_bin(), "pip", "compile", str(PROJECT), "--python-version", python, "--quiet"]
    command += ["--python-platform", "aarch64-unknown-linux-gnu", "--only-binary", ":all:"]
    command += [argument for extra in EXTRAS for argument in ("--extra", extra)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    offline = "error sending request" in done.stderr or "Network connectivity is disabled" in done.stderr
    need("registry", not offline, "the package index can't be reached")
    assert done.returncode == 0, done.stderr
    assert "pydantic-core==" in done.stdout
