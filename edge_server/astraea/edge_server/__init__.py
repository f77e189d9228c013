"""The server that runs one service: its handler, its model, and the API in front of them."""

from .errors import (
    BadInputError,
    BusyError,
    EdgeServerError,
    HandlerError,
    MissingExtraError,
    ModelFormatError,
    ModelLoadError,
    OptionError,
    RequestError,
    TooLargeError,
    UnavailableError,
    UnsupportedTypeError,
    UntrustedModelError,
    UpgradeError,
)
from .inputs import Image
from .limits import Limits
from .runtimes import Model, TensorSpec, open_model
from .service import Answer, Service, open_service
from .tensors import Tensor

__all__ = [
    "Answer",
    "BadInputError",
    "BusyError",
    "EdgeServerError",
    "HandlerError",
    "Image",
    "Limits",
    "MissingExtraError",
    "Model",
    "ModelFormatError",
    "ModelLoadError",
    "OptionError",
    "RequestError",
    "Service",
    "Tensor",
    "TensorSpec",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedTypeError",
    "UntrustedModelError",
    "UpgradeError",
    "open_model",
    "open_service",
]
