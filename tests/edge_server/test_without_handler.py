"""Services of three lines: the model tells what goes in and comes out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from astraea.deployer.inspection.folder import inspect_service
from astraea.deployer.views import service_table
from astraea.edge_server import open_service
from astraea.edge_server.service import Service
from astraea.models import ModelFileError
from astraea.protocol import load_service_spec
from tests.edge_server.conftest import LIMITS, encode

NAMES = "{0: 'red', 1: 'green', 2: 'blue'}"
RED = np.full((48, 64, 3), (200, 20, 30), np.uint8)


def service_of(folder: Path, model: str) -> Service:
    (folder / "astraea.yaml").write_text(f"name: three-lines\nversion: 1.0.0\nmodel: {model}\n")
    return open_service(folder, load_service_spec(folder), LIMITS)


def write_network(path: Path, node: onnx.NodeProto, shape: list[int], *, task: str, **constants: Any) -> None:
    """An ONNX file with the metadata of an ultralytics export."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)
    known = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    nodes = [helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0), node]
    graph = helper.make_graph(nodes, "g", [images], [output], known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"task": task, "names": NAMES, "imgsz": "[32, 32]", "stride": "32"})
    onnx.save(model, str(path))


def handler_shown(folder: Path) -> str:
    """What `astraea inspect` says of the handler."""
    table = service_table(inspect_service(folder))
    rows = zip(table.columns[0].cells, table.columns[1].cells, strict=True)
    return next(str(text) for name, text in rows if name == "handler")


def test_a_classifier_names_what_an_image_shows(tmp_path: Path) -> None:
    softmax = helper.make_node("Softmax", ["means"], ["output0"], axis=1)
    write_network(tmp_path / "colours.onnx", softmax, [1, 3], task="classify")
    answer = json.loads(service_of(tmp_path, "colours.onnx").answer(encode(RED)).body)
    assert [found["label"] for found in answer["classes"]] == ["red", "blue", "green"]
    assert sum(found["score"] for found in answer["classes"]) == pytest.approx(1, abs=1e-4)
    assert handler_shown(tmp_path) == "none: images in, classes out"


def test_a_detector_with_names_answers_with_detections(tmp_path: Path) -> None:
    box = np.array([[[16], [16], [16], [8], [0.1], [0.9], [0.2]]], np.float32)  # centre, size, scores of the classes
    constant = helper.make_node("Identity", ["box"], ["output0"])
    write_network(tmp_path / "found.onnx", constant, [1, 7, 1], task="detect", box=box)
    answer = json.loads(service_of(tmp_path, "found.onnx").answer(encode(RED)).body)
    (found,) = answer["detections"]
    assert (found["label"], found["score"]) == ("green", pytest.approx(0.9))
    assert found["box"] == pytest.approx([16, 16, 48, 32])
    assert handler_shown(tmp_path) == "none: images in, detections out"


def test_other_tasks_leave_the_tensors(tmp_path: Path) -> None:
    identity = helper.make_node("Identity", ["means"], ["output0"])
    write_network(tmp_path / "pose.onnx", identity, [1, 3], task="pose")
    assert service_of(tmp_path, "pose.onnx").tensors is not None
    assert handler_shown(tmp_path) == "none: tensors in, tensors out"


def test_a_classifier_that_is_none_is_refused(tmp_path: Path) -> None:
    identity = helper.make_node("Identity", ["images"], ["output0"])
    write_network(tmp_path / "odd.onnx", identity, [1, 3, 32, 32], task="classify")
    with pytest.raises(ModelFileError, match="no classifier of images"):
        service_of(tmp_path, "odd.onnx")


def test_the_zoos_models_need_no_handler(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", str(shared_data / "darknet"))
    photo = (shared_data / "darknet" / "horses.jpg").read_bytes()
    limits = replace(LIMITS, body_bytes=len(photo), image_px=10**7)
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "astraea.yaml").write_text("name: three-lines\nversion: 1.0.0\nmodel: zoo:yolo-fastest-xl\n")
    answer = json.loads(open_service(folder, load_service_spec(folder), limits).answer(photo).body)
    assert "horse" in {found["label"] for found in answer["detections"]}
    assert handler_shown(folder) == "none: images in, detections out"
