"""What a model file is, told from its content."""

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from astraea.edge_server import ModelFormatError, open_model
from astraea.protocol.model_format import Format, model_format


def onnx_model() -> bytes:
    """One that doubles its input."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", value[:1], value[1:])
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def zip_of(*names: str, data: bytes = b"") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return content.getvalue()


def test_an_onnx_model_is_known_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.weights"
    path.write_bytes(onnx_model())
    onnx.checker.check_model(onnx.load(path, format="protobuf"))
    assert model_format(path) is Format.ONNX


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", Format.EMPTY),
        (pickle.dumps({"a": 1}), Format.PICKLE),
        (gzip.compress(b"x"), Format.COMPRESSED),
        (zlib.compress(b"x"), Format.COMPRESSED),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", Format.TORCH_CHECKPOINT),
        (zip_of("m/data.pkl", "m/version"), Format.TORCH_CHECKPOINT),
        (zip_of("m/data.pkl", data=b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n."), Format.ULTRALYTICS),
        (zip_of("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"), Format.TORCH_SCRIPT),
        (zip_of("m/archive_format", "m/models/model.json"), Format.TORCH_EXPORT),
        (zip_of("serialized_exported_program.json", "version"), Format.TORCH_EXPORT),
        (zip_of("metadata.json", "config.json"), Format.KERAS),
        (zip_of("schema.json", "1.npy"), Format.SKOPS),
        (zip_of("readme"), Format.ZIP),
        (b"PK\x03\x04 and no more", Format.DAMAGED_ZIP),
        (b"\x1c\0\0\0TFL3", Format.TFLITE),
        (b"\x89HDF\r\n\x1a\n", Format.HDF5),
        (b"[net]\nwidth=416\n", Format.DARKNET),
        (struct.pack("<iiiq", 0, 2, 5, 32_013), Format.DARKNET_WEIGHTS),
        (onnx_model()[:-5], Format.UNKNOWN),
        (b"\x08\x01" * 20_000, Format.UNKNOWN),
        (b"hello", Format.UNKNOWN),
    ],
)
def test_a_file_is_known_by_its_content(tmp_path: Path, content: bytes, found: Format) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert model_format(path) is found


@pytest.mark.parametrize(
    ("content", "found", "hint"),
    [
        (b"hello", "no known format", "ONNX model, Python pickle"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "model.keras"),
        (zip_of("m/data.pkl"), "checkpoint", "torch.export.save"),
    ],
)
def test_what_is_not_run_is_named_with_what_would_do(tmp_path: Path, content: bytes, found: str, hint: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=found) as caught:
        open_model(path)
    assert hint in str(caught.value.hint)


def test_folders_are_known_by_what_they_hold(tmp_path: Path) -> None:
    assert model_format(tmp_path) is Format.FOLDER
    (tmp_path / "model.onnx").touch()
    assert model_format(tmp_path) is Format.ZOO_DETECTOR
    (tmp_path / "saved_model.pb").touch()
    assert model_format(tmp_path) is Format.SAVED_MODEL


MODELS = (onnx_model(), zip_of("m/data.pkl", "m/version"), pickle.dumps([]), gzip.compress(b"x"))


@given(model=st.sampled_from(MODELS), keep=st.integers(0, 300), tail=st.binary(max_size=300))
def test_any_bytes_have_a_format(
    tmp_path_factory: pytest.TempPathFactory, model: bytes, keep: int, tail: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "model"
    path.write_bytes(model[:keep] + tail)
    assert model_format(path)
