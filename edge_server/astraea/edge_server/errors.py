"""The errors of the edge server.

EdgeServerError
├── HandlerError           handler.py doesn't import, lacks a function, or fails to load its model
├── ModelFormatError       a model that nothing here can run, and no `load` that says how
├── ModelLoadError         a model that the framework it is for doesn't take
│   └── UntrustedModelError  one that names code which is none of its framework's
├── MissingExtraError      a model for a framework that isn't installed
├── OptionError            a value on the command line that can't be
├── ListenError            an address that can't be listened on, or may not be without authentication
└── RequestError           a request that gets a problem document for its answer; knows its status
    ├── BadInputError        400  a body that isn't what its type says
    ├── TooLargeError        413  a body or an image beyond the limits
    ├── UnsupportedTypeError 415  a type of body that this service doesn't take
    └── UnavailableError     503  not ready yet, or too busy; to be tried again
"""

from http import HTTPStatus
from typing import ClassVar

from astraea.protocol import AstraeaError


class EdgeServerError(AstraeaError):
    """A service can't be served, or a request can't be answered."""


class HandlerError(EdgeServerError):
    """The script that says how to call the model can't be used; the message names the line where it can."""


class ModelFormatError(EdgeServerError):
    """The content of a model file is of no kind that is run without a `load` of the handler's own."""


class ModelLoadError(EdgeServerError):
    """A model file's own framework doesn't take it: it is damaged, incomplete, or of another version."""


class UntrustedModelError(ModelLoadError):
    """Loading the file would call code that isn't its framework's; nothing of it was executed."""


class MissingExtraError(EdgeServerError):
    """The framework that a model is for isn't installed; the hint has the command that installs it."""


class OptionError(EdgeServerError):
    """An option of the command has a value that it can't have."""


class ListenError(EdgeServerError):
    """The server can't listen where it was told to."""


class RequestError(EdgeServerError):
    """A request that can't be answered; the message is the problem document's `detail`."""

    status: ClassVar[HTTPStatus]


class BadInputError(RequestError):
    """The body isn't what its type, or the service, says."""

    status = HTTPStatus.BAD_REQUEST


class TooLargeError(RequestError):
    """The body has more bytes, or the image more pixels, than the service takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedTypeError(RequestError):
    """The body is of a type that the service doesn't take."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnavailableError(RequestError):
    """The service is loading, leaving, or has as much to do as it accepts."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
