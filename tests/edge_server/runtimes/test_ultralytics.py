"""Checkpoints of ultralytics, exported when they are opened; what they may call is looked at first."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from astraea.edge_server import MissingExtraError, ModelLoadError, open_model
from tests.edge_server.runtimes.conftest import need_framework
from tests.edge_server.test_formats import zip_of


def checkpoint(path: Path, *calls: str) -> Path:
    """What looks like a checkpoint whose pickle calls functions, each `module name`, without arguments."""
    pickled = b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n0" + b"".join(
        b"c%s\n%s\n)R0" % tuple(call.encode().split(b" ")) for call in calls
    )
    path.write_bytes(zip_of("m/data.pkl", data=pickled + b"N."))
    return path


@pytest.mark.parametrize(
    "call",
    [
        "os getcwd",
        "builtins eval",
        "torch.hub load",
        "ultralytics.nn.tasks DetectionModel",
        "ultralytics.nn.tasks yaml",
    ],
)
def test_a_checkpoint_that_calls_other_code_is_refused_unopened(tmp_path: Path, call: str) -> None:
    with pytest.raises(ModelLoadError, match="which no network needs; nothing of it was called"):
        open_model(checkpoint(tmp_path / "model.pt", call))


def test_a_checkpoint_names_the_extra_that_exports_it(tmp_path: Path) -> None:
    if find_spec("ultralytics") is not None:
        pytest.skip("ultralytics is installed")
    with pytest.raises(MissingExtraError, match="ultralytics checkpoint") as caught:
        open_model(checkpoint(tmp_path / "model.pt", "collections OrderedDict"))
    assert caught.value.hint == "pip install 'astraea[ultralytics]'"


def test_an_ultralytics_checkpoint_is_exported_and_detects(tmp_path: Path) -> None:
    need_framework("ultralytics", "ultralytics")
    from ultralytics import YOLO

    YOLO("yolov8n.yaml").save(tmp_path / "model.pt")
    model = open_model(tmp_path / "model.pt")
    assert model.inputs[0].shape == (1, 3, 640, 640)
    assert model.native.detect(np.zeros((48, 64, 3), np.uint8)) == []


def test_a_checkpoint_with_two_pickles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zip_of("m/data.pkl", "m/DATA.pkl", data=b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n."))
    with pytest.raises(ModelLoadError, match="does not load"):
        open_model(path)
