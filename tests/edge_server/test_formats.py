"""What a model file is, told from its content."""

import io
import pickle
import zipfile
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from astraea.edge_server import ModelFormatError
from astraea.edge_server.formats import ONNX, model_format, require_onnx


def onnx_model() -> bytes:
    """One that doubles its input."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", value[:1], value[1:])
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def zip_of(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return content.getvalue()


def test_an_onnx_model_is_known_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.weights"
    path.write_bytes(onnx_model())
    onnx.checker.check_model(onnx.load(path, format="protobuf"))
    assert model_format(path) == ONNX
    require_onnx(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (pickle.dumps({"a": 1}), "pickle"),
        (zip_of("model/data.pkl", "model/version"), "PyTorch"),
        (zip_of("metadata.json", "config.json"), "Keras"),
        (zip_of("readme"), "zip archive"),
        (b"PK\x03\x04 and no more", "damaged zip"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"[net]\nwidth=416\n", "Darknet"),
        (onnx_model()[:-5], "no known format"),
        (b"\x08\x01" * 20_000, "no known format"),
        (b"hello", "no known format"),
    ],
)
def test_another_format_is_named_with_what_would_do(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=found) as caught:
        require_onnx(path)
    assert "ONNX" in str(caught.value.hint)


def test_a_saved_model_is_a_folder(tmp_path: Path) -> None:
    assert model_format(tmp_path) == "a folder"
    (tmp_path / "saved_model.pb").touch()
    assert model_format(tmp_path) == "a TensorFlow SavedModel"


@given(content=st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: onnx_model()[:20] + tail))
def test_any_bytes_have_a_format(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "model"
    path.write_bytes(content)
    assert model_format(path)
