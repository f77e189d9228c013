"""ONNX models, run by onnxruntime."""

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from astraea.edge_server import TensorSpec, open_model
from astraea.edge_server.runtimes import datatype_of
from astraea.models import ModelFileError
from tests.edge_server.test_formats import onnx_model


def test_an_onnx_model_runs_and_tells_its_tensors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "double.onnx"
    path.write_bytes(onnx_model())
    with caplog.at_level(logging.INFO):
        model = open_model(path)
    assert model.inputs == (TensorSpec("x", "FP32", (-1,)),)
    assert model.outputs == (TensorSpec("y", "FP32", (-1,)),)
    assert model.run({"x": np.array([1, 2.5], np.float32)})["y"].tolist() == [2, 5]
    assert re.search(r"double.onnx is an ONNX model; onnxruntime [\d.]+ on \w+ runs it", caplog.text)


def test_an_onnx_model_newer_than_its_runtime_is_told_with_both_versions(tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_model())
    model.opset_import[0].version = 999
    path = tmp_path / "new.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"999.*till opset \d+"):
        open_model(path)


def test_what_an_onnx_model_makes_beside_tensors_is_left_to_handlers(tmp_path: Path) -> None:
    node = onnx.helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"])
    floats = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, ["n", 2])
    scores = onnx.helper.make_map_type_proto(onnx.TensorProto.STRING, onnx.helper.make_tensor_type_proto(1, []))
    graph = onnx.helper.make_graph(
        [node, onnx.helper.make_node("Identity", ["x"], ["z"])],
        "scores",
        [onnx.helper.make_value_info("x", floats)],
        [
            onnx.helper.make_value_info("y", onnx.helper.make_sequence_type_proto(scores)),
            onnx.helper.make_value_info("z", floats),
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    path = tmp_path / "scores.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    model = open_model(path)
    rows = np.array([[0.25, 0.75]], np.float32)
    assert [spec.name for spec in model.outputs] == list(model.run({"x": rows})) == ["z"]
    assert model.native.run(["y"], {"x": rows}) == [[{"no": 0.25, "yes": 0.75}]]


@pytest.mark.parametrize(
    ("dtype", "word"),
    [(np.float16, "FP16"), (np.uint8, "UINT8"), (np.int64, "INT64"), (bool, "BOOL"), ("U5", "BYTES"), ("S5", "BYTES")],
)
def test_datatypes_are_the_protocols(dtype: Any, word: str) -> None:
    assert datatype_of(dtype) == word


def test_numbers_that_the_protocol_lacks_are_told() -> None:
    with pytest.raises(ValueError, match="complex128"):
        datatype_of(complex)
