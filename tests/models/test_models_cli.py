"""`astraea models` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ASTRAEA_MODEL_MIRROR", raising=False)


def astraea(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("astraea")
    return subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_list_names_every_model_with_its_licence_and_size() -> None:
    listed = astraea("models", "list")
    assert listed.returncode == 0
    (plates,) = (line for line in listed.stdout.splitlines() if " plates " in line)
    assert "Apache-2.0" in plates
    assert "9.6 MB" in plates
    assert [model["name"] for model in json.loads(astraea("models", "list", "--json").stdout)] == [
        "plates",
        "yolo-fastest",
        "yolo-fastest-xl",
        "yolov3",
        "yolov3-tiny",
    ]


def test_show_tells_sources_checksums_and_how_to_get_it() -> None:
    shown = astraea("models", "show", "yolov3").stdout
    assert "523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297" in shown
    assert "https://data.pjreddie.com/files/yolov3.weights" in shown
    assert "astraea models pull yolov3" in shown
    assert json.loads(astraea("models", "show", "yolov3", "--json").stdout)["cached"] is None


def test_pull_from_a_mirror_prints_the_folder_alone(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", str(shared_data / "darknet"))
    pulled = astraea("models", "pull", "yolo-fastest")
    assert pulled.returncode == 0, pulled.stderr
    assert (Path(pulled.stdout.removesuffix("\n")) / "model.onnx").is_file()
    assert pulled.stderr == ""
    assert json.loads(astraea("models", "show", "yolo-fastest", "--json").stdout)["cached"] == pulled.stdout.strip()


def test_pull_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # every address is out of reach
    offline = astraea("models", "pull", "yolov3-tiny")
    assert offline.returncode == 1
    reason, hint = offline.stderr.splitlines()
    assert reason.startswith("astraea: yolov3-tiny.cfg cannot be had: https://raw.githubusercontent.com/")
    assert "ASTRAEA_MODEL_MIRROR" in hint
    assert offline.stdout == ""


def test_a_misspelt_name_is_one_line_and_a_hint() -> None:
    misspelt = astraea("models", "pull", "plate")
    assert misspelt.returncode == 1
    assert misspelt.stderr == "astraea: the zoo has no model 'plate'\n→ did you mean plates?\n"
