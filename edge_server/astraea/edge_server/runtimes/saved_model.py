"""TensorFlow's SavedModels, run by TensorFlow.

A SavedModel's graph can have operations that read and write files: run only what comes from someone you trust.
"""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ModelLoadError
from .model import Model, Tensors, TensorSpec, check_version, datatype_of
from .quiet_tensorflow import tf

_SIGNATURE = "serving_default"


def open_model(path: Path) -> Model:
    """What `tf.saved_model.load` returns; tensors go to its signature `serving_default`."""
    loaded = tf.saved_model.load(path)
    check_version(path, "TensorFlow", _text(loaded.tensorflow_version), tf.__version__)
    if _SIGNATURE not in loaded.signatures:
        raise ModelLoadError(
            f"the SavedModel {path} has no signature {_SIGNATURE!r}",
            hint="`model.export(folder)` of a Keras model writes one, or open it in the handler's `load`",
        )
    signature = loaded.signatures[_SIGNATURE]

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        results = signature(**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: result.numpy() for name, result in results.items()}

    return Model(
        platform="tensorflow_savedmodel",
        runtime=f"tensorflow {tf.__version__} on {'GPU' if tf.config.list_physical_devices('GPU') else 'CPU'}",
        native=loaded,
        inputs=tuple(_spec(name, spec) for name, spec in signature.structured_input_signature[1].items()),
        outputs=tuple(_spec(name, spec) for name, spec in signature.structured_outputs.items()),
        run=run,
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _spec(name: str, spec: Any) -> TensorSpec:
    lengths = (-1,) if spec.shape.rank is None else (-1 if n is None else n for n in spec.shape.as_list())
    return TensorSpec(name, datatype_of(spec.dtype.as_numpy_dtype), tuple(lengths))
