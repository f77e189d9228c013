"""The Pi camera demo: it finds the camera there is, and answers a video's frames."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from astraea.models.darknet import convert_darknet
from demos.pi_camera import __main__ as demo
from tests.conftest import need

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NETWORK = SHARED / "darknet" / "yolo-fastest-1.1.cfg"


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "demos.pi_camera", *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo fetches from the network's authors, made of a copy."""
    need("shared", present=NETWORK.exists(), reason=f"{NETWORK} is not there")
    made = tmp_path_factory.mktemp("model") / "yolo-fastest.onnx"
    names = (NETWORK.parent / "coco.names").read_text().split("\n")[:80]
    convert_darknet(NETWORK, NETWORK.with_suffix(".weights"), made, names=names)
    return made


@pytest.mark.parametrize(
    ("source", "frames", "found"),
    [("darknet", 4, {"dog", "horse", "person"}), ("video/car-detection.mp4", 20, set())],
)
def test_the_frames_of_a_source_are_answered(source: str, frames: int, found: set[str], model: Path) -> None:
    given = ["--source", str(SHARED / source), "--local", str(model)]
    done = run(*given, "--frames", str(frames), "--port", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("$ astraea camera objects --source")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["tier"] for result in results] == ["device"] * frames
    assert found <= {detection["label"] for result in results for detection in result["detections"]}


def test_without_a_camera_the_painted_street_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "_FIRST_USB", tmp_path / "video0")
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    assert demo.find_camera() == "synthetic:"
    assert demo.command("synthetic:", ["--fps", "5"])[2:] == (
        ["plates", "--source", "synthetic:", "--local", "plates", "--fps", "5"]
    )


@pytest.mark.parametrize(("connected", "found"), [([{"Num": 0}], "picamera2:"), ([], "/dev/video0")])
def test_a_pi_camera_comes_before_a_usb_camera(
    connected: list[dict[str, int]], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = ModuleType("picamera2")
    driver.__dict__["Picamera2"] = SimpleNamespace(global_camera_info=lambda: connected)
    monkeypatch.setitem(sys.modules, "picamera2", driver)
    monkeypatch.setattr(demo, "find_spec", lambda _: driver)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert demo.find_camera() == found


def test_what_astraea_camera_does_not_know_is_refused_by_it() -> None:
    done = run("--source", "synthetic:", "--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
