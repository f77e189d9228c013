"""What a model file tells of itself."""

import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from astraea.protocol.answers import Answers, answers_of
from astraea.protocol.model_format import Format, model_format

from ..errors import UntrustedPickleError
from .pickles import PickleContent, read_pickle
from .trust import untrusted

_PICKLED = frozenset({Format.PICKLE, Format.COMPRESSED, Format.TORCH_CHECKPOINT, Format.ULTRALYTICS})
_FRAMEWORKS = {
    Format.ONNX: "onnx",
    Format.DARKNET: "darknet",
    Format.DARKNET_WEIGHTS: "darknet",
    Format.ZOO_DETECTOR: "onnx",
    Format.TORCH_SCRIPT: "pytorch",
    Format.TORCH_EXPORT: "pytorch",
    Format.TORCH_CHECKPOINT: "pytorch",
    Format.ULTRALYTICS: "ultralytics",
    Format.KERAS: "tensorflow",
    Format.HDF5: "tensorflow",
    Format.SAVED_MODEL: "tensorflow",
    Format.TFLITE: "tensorflow",
    Format.PICKLE: "scikit-learn",
    Format.COMPRESSED: "scikit-learn",
    Format.SKOPS: "scikit-learn",
}
_MAX_METADATA_BYTES = 2**20


class TensorView(BaseModel):
    """An input or output; a side of any length is None or a name."""

    model_config = ConfigDict(frozen=True)

    name: str
    datatype: str
    shape: tuple[int | str | None, ...]


class ModelView(BaseModel):
    """A model file as `astraea inspect --json` shows it."""

    model_config = ConfigDict(frozen=True)

    format: str
    framework: str | None
    framework_version: str | None = None
    """What wrote it, where the file says so."""
    size_bytes: int
    inputs: tuple[TensorView, ...] = ()
    outputs: tuple[TensorView, ...] = ()
    """Both empty where the format doesn't tell."""
    pickled_names: tuple[str, ...] = ()
    """What loading it would import and may call."""
    answers: Answers = Answers.TENSORS
    """What it is good for without a handler."""


def inspect_model(path: Path, allowed: Collection[str] = ()) -> ModelView:
    """What a model is; nothing of it is executed.

    Args:
        path: a file or folder.
        allowed: `module.name` of what a pickle may name beside data.

    Raises:
        ServiceSpecError, InspectionError: it can't be read.
        UntrustedPickleError: loading it would call what a model doesn't need.
    """
    found = model_format(path)
    pickled = read_pickle(path) if found in _PICKLED else PickleContent(frozenset(), frozenset())
    if refused := untrusted(pickled.names, allowed):
        raise UntrustedPickleError(
            f"loading the model {path} would call {', '.join(refused)}; nothing of it was executed",
            hint=f"--allow {refused[0]}, if you trust whoever made it; models in ONNX's or skops' format need no trust",
        )
    version = next(iter(sorted(pickled.versions)), None)
    view = ModelView(
        format=found.value,
        framework=_FRAMEWORKS.get(found),
        framework_version=version,
        size_bytes=_size(path),
        pickled_names=tuple(sorted(pickled.names)),
    )
    return view.model_copy(update={"answers": answers_of(found, {}), **_told(path, found)})


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def _told(path: Path, found: Format) -> dict[str, Any]:
    if found is Format.ONNX:
        return _of_onnx(path)
    if found is Format.KERAS:
        return {"framework_version": _keras_version(path)}
    return {}


def _of_onnx(path: Path) -> dict[str, Any]:
    try:
        import onnx  # noqa: PLC0415 - half a second, and what only builds and deploys can do without it
    except ModuleNotFoundError:
        return {}
    model = onnx.load(str(path), load_external_data=False)
    known = {value.name for value in model.graph.initializer}
    return {
        "framework_version": f"{model.producer_name} {model.producer_version}".strip() or None,
        "inputs": tuple(_tensor(value) for value in model.graph.input if value.name not in known),
        "outputs": tuple(_tensor(value) for value in model.graph.output),
        "answers": answers_of(Format.ONNX, {entry.key: entry.value for entry in model.metadata_props}),
    }


def _tensor(value: Any) -> TensorView:
    from onnx import TensorProto  # noqa: PLC0415 - as above

    tensor = value.type.tensor_type
    sides = tuple(
        side.dim_param or (side.dim_value if side.HasField("dim_value") else None) for side in tensor.shape.dim
    )
    return TensorView(name=value.name, datatype=TensorProto.DataType.Name(tensor.elem_type), shape=sides)


def _keras_version(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            return str(json.loads(file.read(_MAX_METADATA_BYTES))["keras_version"])[:40]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
