"""The server that runs one service: its handler, its model, and the API in front of them."""

from .errors import (
    BadInputError,
    EdgeServerError,
    HandlerError,
    ListenError,
    ModelFormatError,
    OptionError,
    RequestError,
    TooLargeError,
    UnavailableError,
    UnsupportedTypeError,
)
from .inputs import Image
from .limits import Limits
from .service import Answer, Service, open_service

__all__ = [
    "Answer",
    "BadInputError",
    "EdgeServerError",
    "HandlerError",
    "Image",
    "Limits",
    "ListenError",
    "ModelFormatError",
    "OptionError",
    "RequestError",
    "Service",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedTypeError",
    "open_service",
]
