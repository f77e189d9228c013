"""INT8 twins: of a real network on labelled photos, and of what can't have one."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from astraea.models import ModelFileError, PhotoError, YoloDetector, convert_darknet
from astraea.models.accuracy import mean_average_precision
from astraea.models.photos import read_photos
from astraea.models.quantize import class_names, compare, find_model_file, quantize
from astraea.protocol import Box, Detection
from tests.models.test_yolo import save_model

_PHOTOS = 16


@pytest.fixture(scope="module")
def yolo_fastest(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared_data / "darknet"
    model = tmp_path_factory.mktemp("models") / "yolo-fastest.onnx"
    files = folder / "yolo-fastest-1.1.cfg", folder / "yolo-fastest-1.1.weights"
    convert_darknet(*files, model, names=(folder / "coco.names").read_text().splitlines())
    return model


def test_the_twin_is_smaller_finds_nearly_the_same_and_says_what_it_is(
    yolo_fastest: Path, shared_data: Path, tmp_path: Path
) -> None:
    coco = shared_data / "coco"
    photos = read_photos(coco / "images", coco / "labels", class_names(yolo_fastest), most=_PHOTOS)
    seen: list[None] = []
    quantize(yolo_fastest, photos, tmp_path / "small.onnx", on_progress=lambda: seen.append(None))
    before, after = compare(yolo_fastest, tmp_path / "small.onnx", photos, on_progress=lambda: seen.append(None))
    assert len(seen) == 2 * _PHOTOS
    assert after.size_bytes < 0.6 * before.size_bytes
    assert before.accuracy > 0.2
    assert after.accuracy > 0.8 * before.accuracy
    assert YoloDetector(tmp_path / "small.onnx").names[2] == "car"
    operations = {node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operations


def test_the_command_shows_both_and_tells_where_the_twin_is(
    yolo_fastest: Path, shared_data: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "astraea.deployer", "models", "quantize", str(yolo_fastest), "--most", "8"]
    options = ["--images", str(shared_data / "coco" / "images"), "-o", str(tmp_path / "small.onnx")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=True)
    assert "mAP@0.5 against the original" in done.stdout
    assert "1.000" in done.stdout
    assert done.stdout.splitlines()[-1] == str(tmp_path / "small.onnx")
    assert done.stderr == ""


def test_a_model_is_not_overwritten(yolo_fastest: Path) -> None:
    with pytest.raises(ModelFileError, match="is the model itself"):
        quantize(yolo_fastest, [], yolo_fastest, on_progress=lambda: None)


def test_what_has_no_convolution_or_is_of_another_kind_is_refused(tmp_path: Path) -> None:
    constant = save_model(tmp_path / "constant.onnx", {"output": np.zeros((1, 7, 4), np.float32)})
    with pytest.raises(ModelFileError, match="no convolution"):
        quantize(constant, [], tmp_path / "small.onnx", on_progress=lambda: None)
    (tmp_path / "detector.onnx").touch()
    with pytest.raises(ModelFileError, match="no YOLO detector"):
        find_model_file(str(tmp_path))


def thing(label: str, x: float, score: float = 1.0) -> Detection:
    return Detection(label=label, score=score, box=Box(x, 0, x + 10, 10))


def test_accuracy_is_the_mean_over_classes_of_the_area_below_precision_over_recall() -> None:
    truth = [[thing("car", 0), thing("car", 50)], [thing("bus", 0)]]
    assert mean_average_precision(truth, truth) == 1
    assert mean_average_precision(truth, [[], []]) == 0
    half = [[thing("car", 1, 0.9), thing("car", 90, 0.8)], [thing("bus", 0)]]
    assert mean_average_precision(truth, half) == pytest.approx((51 / 101 + 1) / 2)
    late = [[thing("car", 90, 0.9), thing("car", 0, 0.8)], [thing("bus", 0)]]  # the wrong one is surer
    assert mean_average_precision(truth, late) == pytest.approx((0.5 * 51 / 101 + 1) / 2)
    assert mean_average_precision([[]], [[]]) == 1


@pytest.mark.parametrize(
    ("label", "message"),
    [(None, "there are no labels"), ("car 0.5 0.5 0.1 0.1", "is no label"), ("1 0.5 0.5 2 0.1", "is no label")],
)
def test_a_label_that_makes_no_sense_is_named(tmp_path: Path, label: str | None, message: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    if label is not None:
        (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{label}\n")
    with pytest.raises(PhotoError, match=message) as caught:
        read_photos(tmp_path, tmp_path, ["car"], most=9)
    assert caught.value.hint


def test_a_folder_without_images_and_an_image_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="there is no image in"):
        read_photos(tmp_path, None, [], most=9)
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(PhotoError, match=r"a\.jpg is no image"):
        read_photos(tmp_path, None, [], most=9)
