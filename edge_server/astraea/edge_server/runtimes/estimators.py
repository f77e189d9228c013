"""What the runtimes of scikit-learn share: an estimator as a model, and warnings of another version's."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import InconsistentVersionWarning

from ..errors import ModelLoadError
from .model import Model, Tensors, TensorSpec, datatype_of

_logger = logging.getLogger(__name__)


def model_of(estimator: Any, path: Path, platform: str) -> Model:
    """An estimator whose `predict` takes rows of numbers, or texts when it begins with a vectorizer.

    Raises:
        ModelLoadError: It has no `predict`.
    """
    if not hasattr(estimator, "predict"):
        raise ModelLoadError(
            f"the model {path} is {type(estimator).__name__}, which has no `predict`",
            hint="a handler with a `load` of its own can open anything",
        )
    features = getattr(estimator, "n_features_in_", None)  # vectorizers of texts don't have it
    takes = TensorSpec("input", "BYTES", (-1,)) if features is None else TensorSpec("input", "FP64", (-1, features))

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        rows = inputs["input"]
        if features is None:
            rows = np.array([text.decode() if isinstance(text, bytes) else text for text in rows], object)
        return {"predict": np.asarray(estimator.predict(rows))}

    return Model(
        platform=platform,
        runtime=f"scikit-learn {sklearn.__version__} on CPU",
        native=estimator,
        inputs=(takes,),
        outputs=(TensorSpec("predict", _predicted(estimator), (-1,)),),
        run=run,
    )


def _predicted(estimator: Any) -> str:
    classes = getattr(estimator, "classes_", None)
    return datatype_of(classes.dtype) if isinstance(classes, np.ndarray) else "FP64"


@contextlib.contextmanager
def versions_checked(path: Path) -> Iterator[None]:
    """Log what scikit-learn warns of while it loads, and once each version other than the one that is installed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(_text(warning.message) for warning in caught):
        _logger.warning("%s %s", path, text)


def _text(warning: Warning | str) -> str:
    if isinstance(warning, InconsistentVersionWarning):
        saved_by, installed = warning.original_sklearn_version, warning.current_sklearn_version
        return f"was saved by scikit-learn {saved_by}, and {installed} runs it: its answers may differ"
    return f"loads with a warning: {warning}"
