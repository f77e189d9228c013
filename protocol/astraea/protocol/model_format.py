"""What a model file is, found from its content: nothing is executed, unpickled or unpacked."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from .errors import ServiceSpecError

ONNX_FILE = "model.onnx"
"""The network in the folder of a zoo's detector."""

_HEAD_BYTES = 512
# https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, message ModelProto
_ONNX_IR_VERSION, _ONNX_GRAPH, _ONNX_LAST_FIELD = 1, 7, 26
_MAX_FIELDS = 10_000  # at the top level: a model's functions and metadata are counted in hundreds
# https://protobuf.dev/programming-guides/encoding/
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_PICKLE_PROTOCOLS = tuple(b"\x80" + bytes([version]) for version in range(2, 6))
# https://github.com/pytorch/pytorch/blob/main/torch/serialization.py, MAGIC_NUMBER: a pickled number before all else
_TORCH_BEFORE_1_6 = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
# OSError: where the archive sends us is no place in a file; NotImplementedError, RuntimeError: compressed or encrypted
# in ways that no model is.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    zlib.error,
)
_MAX_PICKLE_BYTES = 16 * 2**20  # of a PyTorch archive's, which has no numbers in it; those of networks are below 1 MiB


class Format(StrEnum):
    """What a model can be; the value fits "this is ..."."""

    ONNX = "an ONNX model"
    DARKNET = "a Darknet configuration"
    DARKNET_WEIGHTS = "a Darknet network's weights"
    ZOO_DETECTOR = "a detector of the zoo"
    TORCH_SCRIPT = "a TorchScript model"
    TORCH_EXPORT = "a torch.export program"
    TORCH_CHECKPOINT = "a PyTorch checkpoint, which has weights but no network"
    ULTRALYTICS = "an ultralytics checkpoint"
    KERAS = "a Keras model"
    HDF5 = "an HDF5 file (an old Keras model)"
    SAVED_MODEL = "a TensorFlow SavedModel"
    TFLITE = "a TensorFlow Lite model"
    PICKLE = "a Python pickle (scikit-learn, joblib)"
    COMPRESSED = "a compressed file (joblib)"
    SKOPS = "a skops file"
    FOLDER = "a folder with no model that is known"
    EMPTY = "an empty file"
    ZIP = "a zip archive with no model that is known"
    DAMAGED_ZIP = "a damaged zip archive"
    UNKNOWN = "of no known format, or incomplete"


_MAGICS = (
    (0, _TORCH_BEFORE_1_6, Format.TORCH_CHECKPOINT),
    (0, _PICKLE_PROTOCOLS, Format.PICKLE),
    (0, (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"BZh", b"\xfd7zXZ"), Format.COMPRESSED),
    (0, b"\x89HDF\r\n\x1a\n", Format.HDF5),
    (4, b"TFL3", Format.TFLITE),
    (0, (b"[net]", b"[network]"), Format.DARKNET),
    (0, (b"\0\0\0\0\1\0\0\0", b"\0\0\0\0\2\0\0\0"), Format.DARKNET_WEIGHTS),  # version 0.1 or 0.2
)  # where, what, and what it means


def model_format(path: Path) -> Format:
    """What a model file or folder is.

    Raises:
        ServiceSpecError: It can't be read.
    """
    try:
        if path.is_dir():
            return _folder_format(path)
        with path.open("rb") as file:
            return _file_format(file)
    except OSError as error:
        raise ServiceSpecError(f"the model {path} can't be read: {error.strerror or error}") from None


def _folder_format(path: Path) -> Format:
    if (path / "saved_model.pb").is_file():
        return Format.SAVED_MODEL
    if (path / ONNX_FILE).is_file():
        return Format.ZOO_DETECTOR
    return Format.FOLDER


def _file_format(file: BinaryIO) -> Format:
    head = file.read(_HEAD_BYTES)
    if not head:
        return Format.EMPTY
    if head.startswith(b"PK\x03\x04"):
        return _zip_format(file)
    for offset, magic, found in _MAGICS:
        if head.startswith(magic, offset):
            return found
    return Format.ONNX if _is_onnx(file) else Format.UNKNOWN


def _zip_format(file: BinaryIO) -> Format:
    try:
        with zipfile.ZipFile(file) as archive:
            return _archive_format(archive)
    except _ZIP_ERRORS:
        return Format.DAMAGED_ZIP


def _archive_format(archive: zipfile.ZipFile) -> Format:
    # PyTorch's archives have one folder at their top, of any name.
    names = {name.partition("/")[2]: name for name in archive.namelist() if "/" in name} | {
        name: name for name in archive.namelist() if "/" not in name
    }
    if {"metadata.json", "config.json"} <= names.keys():
        return Format.KERAS
    if "schema.json" in names:
        return Format.SKOPS
    if not names.keys().isdisjoint({"archive_format", "serialized_exported_program.json"}):  # the second: before 2.8
        return Format.TORCH_EXPORT
    if "data.pkl" in names:
        return _torch_format(archive, names)
    return Format.ZIP


def _torch_format(archive: zipfile.ZipFile, names: Mapping[str, str]) -> Format:
    if "constants.pkl" in names:
        return Format.TORCH_SCRIPT
    with archive.open(names["data.pkl"]) as pickle:
        # How the pickles that torch.save writes name a global: opcode c, module, newline, name.
        found = b"cultralytics." in pickle.read(_MAX_PICKLE_BYTES)
    return Format.ULTRALYTICS if found else Format.TORCH_CHECKPOINT


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
