"""What a model file is, found from its content: nothing is executed, unpickled or unpacked."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import ModelFormatError

_HEAD_BYTES = 512
# https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, message ModelProto
_ONNX_IR_VERSION, _ONNX_GRAPH, _ONNX_LAST_FIELD = 1, 7, 26
_MAX_FIELDS = 10_000  # at the top level: a model's functions and metadata are counted in hundreds
# https://protobuf.dev/programming-guides/encoding/
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_PICKLE_PROTOCOLS = tuple(b"\x80" + bytes([version]) for version in range(2, 6))
_MAGICS = (
    (0, _PICKLE_PROTOCOLS, "a Python pickle (scikit-learn, joblib or an old PyTorch checkpoint)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (an old Keras model)"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, (b"[net]", b"[network]"), "a Darknet configuration"),
)  # where, what, and what it means

ONNX = "an ONNX model"


def model_format(path: Path) -> str:
    """What a model file or folder is, in words that fit "this is ...".

    Raises:
        ModelFormatError: It can't be read.
    """
    try:
        if path.is_dir():
            return _folder_format(path)
        with path.open("rb") as file:
            return _file_format(file)
    except OSError as error:
        raise ModelFormatError(f"the model {path} can't be read: {error.strerror or error}") from None


def require_onnx(path: Path) -> None:
    """Check that a handler without `load` can do with this model.

    Raises:
        ModelFormatError: It is something else; the message says what.
    """
    found = model_format(path)
    if found != ONNX:
        raise ModelFormatError(
            f"the model {path} is {found}, and the handler has no `load` that says how to open it",
            hint="without `load`, ONNX models are run; Darknet networks as zoo models, `astraea models list`",
        )


def _folder_format(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return "a TensorFlow SavedModel"
    return "a folder"


def _file_format(file: BinaryIO) -> str:
    head = file.read(_HEAD_BYTES)
    if not head:
        return "an empty file"
    if head.startswith(b"PK\x03\x04"):
        return _zip_format(file)
    for offset, magic, name in _MAGICS:
        if head.startswith(magic, offset):
            return name
    return ONNX if _is_onnx(file) else "of no known format, or incomplete"


def _zip_format(file: BinaryIO) -> str:
    try:
        names = zipfile.ZipFile(file).namelist()
    except zipfile.BadZipFile:
        return "a damaged zip archive"
    if "metadata.json" in names and "config.json" in names:
        return "a Keras model"
    if any(name.endswith(("/data.pkl", "/archive_format")) for name in names):
        return "a PyTorch model"
    return "a zip archive"


def _is_onnx(file: BinaryIO) -> bool:
    """Whether the file is one whole protobuf message with the fields that an ONNX model must have, and no others."""
    try:
        fields = set(_protobuf_fields(file))
    except (KeyError, ValueError):
        return False
    return {_ONNX_IR_VERSION, _ONNX_GRAPH} <= fields and max(fields) <= _ONNX_LAST_FIELD


def _protobuf_fields(file: BinaryIO) -> Iterator[int]:
    """The numbers of a message's top-level fields, their values skipped; KeyError, ValueError where there is none."""
    size = file.seek(0, 2)
    file.seek(0)
    for _ in range(_MAX_FIELDS):
        if file.tell() == size:
            return
        number, wire_type = divmod(_varint(file), 8)
        yield number
        if wire_type == _VARINT:
            _varint(file)
            continue
        length = _varint(file) if wire_type == _LENGTH_DELIMITED else _FIXED_BYTES[wire_type]
        if length > size - file.tell():
            raise ValueError("a field breaks off")
        file.seek(length, 1)
    raise ValueError("too many fields")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 63, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # the last has no bit to say that more follow
            return value
    raise ValueError("a number breaks off")
