"""The frameworks that run models: one small module each, imported when a model needs it.

| what the file is | `predict` of a handler without `load` gets | extra |
| --- | --- | --- |
| ONNX | an `onnxruntime.InferenceSession` | |
| Darknet (.cfg and .weights), a zoo detector, ultralytics .pt | an `astraea.models.YoloDetector` | ultralytics |
| TorchScript, torch.export .pt2 | a `torch.nn.Module` that infers and doesn't track gradients | torch |
| SavedModel | what `tf.saved_model.load` returns | tensorflow |
| .keras | a `keras.Model` | tensorflow |
| TensorFlow Lite | an `ai_edge_litert` `Interpreter`; with several workers, lock it | tensorflow |
| scikit-learn: pickle, joblib, skops | the estimator | sklearn |
"""

import importlib
import logging
from pathlib import Path

from astraea.protocol import AstraeaError
from astraea.protocol.model_format import Format, model_format

from ..errors import MissingExtraError, ModelFormatError, ModelLoadError
from .model import Model, Tensors, TensorSpec, datatype_of

__all__ = ["Model", "TensorSpec", "Tensors", "datatype_of", "open_model"]

_logger = logging.getLogger(__name__)

_RUNTIMES = {
    Format.ONNX: ("onnx", "edge"),
    Format.DARKNET: ("darknet", "edge"),
    Format.DARKNET_WEIGHTS: ("darknet", "edge"),
    Format.ZOO_DETECTOR: ("darknet", "edge"),
    Format.ULTRALYTICS: ("ultralytics", "ultralytics"),
    Format.TORCH_SCRIPT: ("torchscript", "torch"),
    Format.TORCH_EXPORT: ("torch_export", "torch"),
    Format.SAVED_MODEL: ("saved_model", "tensorflow"),
    Format.KERAS: ("keras", "tensorflow"),
    Format.TFLITE: ("tflite", "tensorflow"),
    Format.PICKLE: ("pickles", "sklearn"),
    Format.COMPRESSED: ("pickles", "sklearn"),
    Format.SKOPS: ("skops", "sklearn"),
}
"""The module that opens a format, and the extra that brings what it imports."""

_CONVERT = {
    Format.TORCH_CHECKPOINT: "save the network too, with `torch.export.save`; or build it in the handler's `load`",
    Format.HDF5: "`keras.saving.load_model('old.h5').save('model.keras')` makes a model of today of it",
}


def open_model(path: Path) -> Model:
    """Open a model file or folder with the framework that it is for; its content says which.

    Raises:
        ServiceSpecError: It can't be read.
        ModelFormatError: It is nothing that is run without a `load` of the handler's own.
        MissingExtraError: Its framework isn't installed.
        ModelLoadError: Its framework doesn't take it.
        ModelError: The same, of a model that onnxruntime or the Darknet converter opens.
    """
    found = model_format(path)
    if found not in _RUNTIMES:
        raise ModelFormatError(
            f"the model {path} is {found}, and the handler has no `load` that says how to open it",
            hint=_CONVERT.get(found, f"without `load`, these are run: {', '.join(_kinds())}"),
        )
    module, extra = _RUNTIMES[found]
    try:
        model = _open(module, path)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the model {path} is {found}, and there is no module {error.name!r} to run it",
            hint=f"pip install 'astraea[{extra}]'",
        ) from error
    except AstraeaError:
        raise
    except Exception as error:  # frameworks raise anything on a file that they don't take
        _logger.debug("%s does not load", path, exc_info=True)
        reason = next(iter(str(error).strip().splitlines()), "")
        raise ModelLoadError(
            f"the model {path} is {found}, but does not load: {reason or type(error).__name__}"
        ) from error
    _logger.info("%s is %s; %s runs it", path.name, found, model.runtime)
    return model


def _open(module: str, path: Path) -> Model:
    model = importlib.import_module(f".{module}", __name__).open_model(path)
    assert isinstance(model, Model)  # noqa: S101 - what every runtime's `open_model` returns
    return model


def _kinds() -> list[str]:
    return sorted(found.removeprefix("a ").removeprefix("an ") for found in _RUNTIMES)
