from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from astraea.models import ModelFileError, YoloDetector
from astraea.protocol import Box

NAMES = "{0: 'car', 1: 'bus', 2: 'cat'}"
IMAGE = np.zeros((100, 200, 3), np.uint8)  # in an input of 64 x 64: 64 wide, 32 high, 16 from the top


def save_model(
    path: Path,
    outputs: Mapping[str, NDArray[np.float32]],
    metadata: Mapping[str, str] = MappingProxyType({"names": NAMES}),
    *,
    input_shape: tuple[int | str, ...] = (1, 3, 64, 64),
    input_type: int = TensorProto.FLOAT,
) -> Path:
    """A network that says the same of every image."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))
        for name, values in outputs.items()
    ]
    # Something must read the input.
    nodes.append(helper.make_node("Shape", ["images"], ["size"]))
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("images", input_type, input_shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape) for name, values in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return path


def ultralytics(*rows: tuple[list[float], list[float]]) -> Mapping[str, NDArray[np.float32]]:
    """Rows of centre and size, and of class scores, as one output [1, 4 + classes, N]."""
    return {"output0": np.array([[*box, *scores] for box, scores in rows], np.float32).T[np.newaxis]}


CAR = ([24.0, 32.0, 16.0, 16.0], [0.75, 0.1, 0.0])
CAR_BOX = Box(50, 25, 100, 75)
SAME_CAR = ([25.0, 32.0, 16.0, 16.0], [0.5, 0.1, 0.0])
BUS_THERE = ([24.0, 32.0, 16.0, 16.0], [0.1, 0.875, 0.0])
FAINT_CAT = ([50.0, 32.0, 8.0, 8.0], [0.0, 0.0, 0.125])


def test_an_ultralytics_model_gives_boxes_in_pixels_of_the_image_best_first(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(SAME_CAR, FAINT_CAT, CAR, BUS_THERE))
    found = YoloDetector(model).detect(IMAGE)
    assert [(detection.label, detection.score) for detection in found] == [("bus", 0.875), ("car", 0.75)]
    assert found[1].box == pytest.approx(CAR_BOX)


def test_confidence_and_overlap_are_the_callers(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(SAME_CAR, FAINT_CAT, CAR))
    assert len(YoloDetector(model, confidence=0.1, iou=0.95).detect(IMAGE)) == 3
    assert len(YoloDetector(model, confidence=0.8).detect(IMAGE)) == 0


def test_an_end_to_end_model_is_taken_at_its_word(tmp_path: Path) -> None:
    rows = [[0, 0, 0, 0, 0, 0], [16, 24, 32, 40, 0.5, 0], [17, 24, 33, 40, 0.75, 0]]
    model = save_model(tmp_path / "m.onnx", {"output0": np.array([rows], np.float32)})
    found = YoloDetector(model).detect(IMAGE)
    assert [(detection.label, detection.score) for detection in found] == [("car", 0.75), ("car", 0.5)]
    assert found[1].box == pytest.approx(CAR_BOX)


def test_a_converted_model_gives_boxes_and_scores(tmp_path: Path) -> None:
    outputs = {
        "boxes": np.array([[[16, 24, 32, 40], [17, 24, 33, 40]]], np.float32),
        "scores": np.array([[[0.75, 0, 0], [0.5, 0, 0]]], np.float32),
    }
    model = save_model(tmp_path / "m.onnx", outputs, {"names": NAMES, "astraea_head": "boxes+scores"})
    (found,) = YoloDetector(model).detect(IMAGE)
    assert (found.label, found.score) == ("car", 0.75)
    assert found.box == pytest.approx(CAR_BOX)


def test_a_model_trained_on_stretched_images_gets_them(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(CAR), {"astraea_fit": "stretch"})
    (found,) = YoloDetector(model).detect(IMAGE)
    assert found.box == pytest.approx(Box(50, 37.5, 100, 62.5))


def test_a_class_without_a_name_has_its_number(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(BUS_THERE), {"names": "{0: 'car'}"})
    assert [found.label for found in YoloDetector(model).detect(IMAGE)] == ["class 1"]


def test_boxes_end_where_the_image_does_and_scores_at_one(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(([32, 32, 640, 640], [1.25, 0, 0])))
    (found,) = YoloDetector(model).detect(IMAGE)
    assert found.box == Box(0, 0, 200, 100)
    assert found.score == 1


@pytest.mark.parametrize(("metadata", "side"), [({"imgsz": "[32, 32]"}, 32), ({}, 640)])
def test_a_model_of_any_size_gets_images_as_in_its_training(
    tmp_path: Path, metadata: dict[str, str], side: int
) -> None:
    whole = ([side / 2, side / 2, side, side / 2], [0.5, 0, 0])
    model = save_model(tmp_path / "m.onnx", ultralytics(whole), metadata, input_shape=("batch", 3, "height", "width"))
    (found,) = YoloDetector(model).detect(IMAGE)
    assert found.box == pytest.approx(Box(0, 0, 200, 100))


@pytest.mark.parametrize(
    ("outputs", "metadata", "message"),
    [
        ([(1, 7, 8)], {"task": "segment"}, "it is for the task 'segment', not 'detect'"),
        ([(1, 7, 8), (1, 32, 8)], {}, r"it gives \[\[1, 7, 8\], \[1, 32, 8\]\], not"),
        ([(1, 1000)], {}, r"it gives \[\[1, 1000\]\], not"),
        ([(1, 4, 8)], {}, r"it gives \[\[1, 4, 8\]\], not"),
        ([(1, 7, 8)], {"names": "car, bus"}, "metadata names='car, bus' are not understood"),
        ([(1, 7, 8)], {"names": "(" * 1000}, r"metadata names='\({40}' are not understood"),
        ([(1, 7, 8)], {"imgsz": "[0, 64]"}, "metadata imgsz='.0, 64.' are not understood"),
        ([(1, 7, 8)], {"astraea_fit": "crop"}, "metadata astraea_fit='crop' are not understood"),
    ],
)
def test_what_is_no_detector_is_refused_with_the_reason(
    tmp_path: Path, outputs: list[tuple[int, ...]], metadata: dict[str, str], message: str
) -> None:
    tensors = {f"output{index}": np.zeros(shape, np.float32) for index, shape in enumerate(outputs)}
    model = save_model(tmp_path / "m.onnx", tensors, metadata)
    with pytest.raises(ModelFileError, match=f"m.onnx is no YOLO detector: {message}"):
        YoloDetector(model)


@pytest.mark.parametrize(
    ("shape", "kind"), [((1, 1, 64, 64), TensorProto.FLOAT), ((1, 64, 64), TensorProto.FLOAT), ((1, 3, 64, 64), 10)]
)
def test_a_model_that_takes_no_images_is_refused(tmp_path: Path, shape: tuple[int, ...], kind: int) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(CAR), input_shape=shape, input_type=kind)
    with pytest.raises(
        ModelFileError, match=r"it takes tensor\(float(16)?\) \[1, .*\], not tensor\(float\) \[batch, 3"
    ):
        YoloDetector(model)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 100])
def test_a_file_that_is_no_onnx_model_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"broken.onnx does not load as an ONNX model: "):
        YoloDetector(tmp_path / "broken.onnx")


def test_a_truncated_model_is_named(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.onnx", ultralytics(CAR))
    model.write_bytes(model.read_bytes()[:-40])
    with pytest.raises(ModelFileError, match=r"m.onnx does not load"):
        YoloDetector(model)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"there is no model file .*gone.onnx"):
        YoloDetector(tmp_path / "gone.onnx")
