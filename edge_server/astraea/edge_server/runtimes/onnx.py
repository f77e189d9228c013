"""ONNX models, run by onnxruntime; `astraea.models.runtime` chooses the GPU or the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from astraea.models.runtime import open_session

from .model import Model, Tensors, TensorSpec, datatype_of

# onnxruntime's words for what numpy says otherwise; the rest are numpy's own.
_ELEMENTS = {"float": "float32", "double": "float64", "string": "object"}


def open_model(path: Path) -> Model:
    """An `onnxruntime.InferenceSession`."""
    return model_of(open_session(path))


def model_of(session: ort.InferenceSession, native: Any = None) -> Model:
    """A session, and what a handler sees of it if that is something else."""
    outputs = [output.name for output in session.get_outputs()]

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        fed = {name: _texts(array) if array.dtype.kind == "O" else array for name, array in inputs.items()}
        return dict(zip(outputs, session.run(outputs, fed), strict=True))

    provider = session.get_providers()[0].removesuffix("ExecutionProvider")
    return Model(
        platform="onnx_onnxv1",
        runtime=f"onnxruntime {ort.__version__} on {provider}",
        native=session if native is None else native,
        inputs=tuple(_spec(value) for value in session.get_inputs()),
        outputs=tuple(_spec(value) for value in session.get_outputs()),
        run=run,
    )


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    """Bytes as the texts that onnxruntime takes; of bytes it would take the `repr`."""
    texts = [item.decode() if isinstance(item, bytes) else item for item in array.ravel()]
    return np.array(texts, np.object_).reshape(array.shape)


def _spec(value: Any) -> TensorSpec:
    element = value.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(length if isinstance(length, int) else -1 for length in value.shape)
    if element == "bfloat16":  # of which numpy knows nothing
        return TensorSpec(value.name, "BF16", shape)
    return TensorSpec(value.name, datatype_of(_ELEMENTS.get(element, element)), shape)
