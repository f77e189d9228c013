"""What every runtime makes of a model file: the seam between frameworks and the server.

A runtime is a module with one function, `open_model(path: Path) -> Model`, that imports its framework at the top.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

_logger = logging.getLogger(__name__)

Tensors = Mapping[str, NDArray[Any]]
"""Arrays by the names of a model's inputs or outputs; texts and other bytes are arrays of objects."""


class TensorSpec(NamedTuple):
    """An input or output of a model, in the words of the Open Inference Protocol."""

    name: str
    datatype: str
    """`FP32`, `UINT8`, `BYTES`, ..."""
    shape: tuple[int, ...]
    """-1 where any length will do."""


@dataclass(frozen=True)
class Model:
    """A model file that its framework has opened."""

    platform: str
    """The kind of file, as `FRAMEWORK_FORMAT`: `onnx_onnxv1`, `pytorch_export`."""
    runtime: str
    """What runs it, with its version and where: `torch 2.13.0 on cpu`."""
    native: Any
    """The framework's own object: what `predict` of a handler without `load` is called with."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    run: Callable[[Tensors], dict[str, NDArray[Any]]]
    """From all inputs, each of its datatype and shape, to all outputs; several threads may call it at once.

    Raises what the framework raises on inputs that it can't compute with."""


# https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#tensor-data-types
_DATATYPES = {"float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16", "object": "BYTES"}


def datatype_of(dtype: DTypeLike) -> str:
    """The protocol's word for a type of numpy's (ml_dtypes' bfloat16 too).

    Raises:
        ValueError: It has none, as for complex numbers.
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        return dtype.name.upper()
    if dtype.kind in "SU":
        return "BYTES"
    if dtype.name not in _DATATYPES:
        raise ValueError(f"tensors of {dtype} can't be sent")
    return _DATATYPES[dtype.name]


def check_version(path: Path, library: str, saved_by: str, installed: str) -> None:
    """Warn of a model that another version (major or minor) of its library has saved."""
    if saved_by.split(".")[:2] != installed.split(".")[:2]:
        _logger.warning(
            "%s was saved by %s %s, and %s runs it: its answers may differ", path, library, saved_by, installed
        )
