"""ONNX models, run by onnxruntime; `astraea.models.runtime` chooses the GPU or the CPU."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from astraea.models.runtime import open_session

from .model import Model, Tensors, TensorSpec

_DATATYPES = {
    "tensor(bfloat16)": "BF16",
    "tensor(bool)": "BOOL",
    "tensor(double)": "FP64",
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(string)": "BYTES",
} | {f"tensor({kind}{bits})": f"{kind}{bits}".upper() for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
"""onnxruntime's types that the Open Inference Protocol has words for; it has none for sequences and maps."""


def open_model(path: Path) -> Model:
    """An `onnxruntime.InferenceSession`."""
    return model_of(open_session(path))


def model_of(session: ort.InferenceSession, native: Any = None) -> Model:
    """A session, and what a handler sees of it if that is something else."""
    inputs, outputs = _specs(session.get_inputs()), _specs(session.get_outputs())
    names = [spec.name for spec in outputs]

    def run(tensors: Tensors) -> dict[str, NDArray[Any]]:
        fed = {name: _texts(array) if array.dtype.kind == "O" else array for name, array in tensors.items()}
        return dict(zip(names, session.run(names, fed), strict=True))

    provider = session.get_providers()[0].removesuffix("ExecutionProvider")
    return Model(
        platform="onnx_onnxv1",
        runtime=f"onnxruntime {ort.__version__} on {provider}",
        native=session if native is None else native,
        inputs=inputs,
        outputs=outputs,
        run=run,
    )


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    """Bytes as the texts that onnxruntime takes; of bytes it would take the `repr`."""
    texts = [item.decode() if isinstance(item, bytes) else item for item in array.ravel()]
    return np.array(texts, np.object_).reshape(array.shape)


def _specs(values: Iterable[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            value.name,
            _DATATYPES[value.type],
            tuple(length if isinstance(length, int) else -1 for length in value.shape),
        )
        for value in values
        if value.type in _DATATYPES
    )
