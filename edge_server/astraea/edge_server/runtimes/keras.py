"""Keras models (.keras), run by Keras on TensorFlow."""

import json
import zipfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ModelLoadError
from .model import Model, Tensors, TensorSpec, check_version, datatype_of
from .quiet_tensorflow import keras, tf


def open_model(path: Path) -> Model:
    """A `keras.Model`; Keras refuses one with Python code in it (a Lambda layer)."""
    check_version(path, "Keras", _saved_by(path), keras.__version__)
    model = keras.saving.load_model(path, compile=False)
    if not model.inputs:
        raise ModelLoadError(
            f"the Keras model {path} doesn't say what its inputs are, as models of a class of one's own don't",
            hint="save it with `model.export(folder)`, or open it in the handler's `load`",
        )
    inputs = tuple(_spec(value.name, value) for value in model.inputs)

    def run(arrays: Tensors) -> dict[str, NDArray[Any]]:
        values = [arrays[spec.name] for spec in inputs]
        results = keras.tree.flatten(model.predict_on_batch(values[0] if len(values) == 1 else values))
        return {f"output_{number}": result for number, result in enumerate(results)}

    return Model(
        platform="keras_keras",
        runtime=f"keras {keras.__version__} on {keras.backend.backend()} {tf.__version__}",
        native=model,
        inputs=inputs,
        outputs=tuple(_spec(f"output_{number}", value) for number, value in enumerate(model.outputs)),
        run=run,
    )


def _saved_by(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("metadata.json"))["keras_version"])


def _spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(-1 if length is None else length for length in value.shape)
    return TensorSpec(name, datatype_of(value.dtype), shape)
