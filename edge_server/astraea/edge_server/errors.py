"""The errors of the edge server.

EdgeServerError
├── HandlerError           handler.py doesn't import, lacks a function, or fails to load its model
├── ModelFormatError       a model that nothing here can run, and no `load` that says how
├── ModelLoadError         a model that the framework it is for doesn't take
│   └── UntrustedModelError  one that names code which is none of its framework's
├── MissingExtraError      a model for a framework that isn't installed
├── OptionError            a value on the command line that can't be
├── UpgradeError           a version that can't take the place of the one that serves
└── RequestError           a request that gets a problem document for its answer; knows its status
    ├── BadInputError        400  a body that isn't what its type says
    ├── TooLargeError        413  a body or an image beyond the limits
    ├── UnsupportedTypeError 415  a type of body that this service doesn't take
    ├── ForbiddenError       403  what only an operator may ask for, or has not allowed
    ├── UnauthorizedError    401  no token, or one that isn't good for this service
    ├── BodyTimeoutError     408  a body that comes too slowly
    └── RefusedError              to be tried again later, or elsewhere
        ├── BusyError        429  as much is being done as the instance takes on
        └── UnavailableError 503  loading, or about to end
            ├── LateError         the request's deadline can't be met
            ├── SupersededError   a newer frame of the same video took its turn
            └── AbandonedError    its client has gone
"""

import math
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


class UpgradeError(EdgeServerError):
    """What is in the service's folder can't take the place of what is served."""


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


class UnauthorizedError(RequestError):
    """The request has no bearer token, or one that isn't good for this service."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(RequestError):
    """Only an operator may ask for this, or has not allowed it."""

    status = HTTPStatus.FORBIDDEN


class BodyTimeoutError(RequestError):
    """The body didn't come within the time that one may take."""

    status = HTTPStatus.REQUEST_TIMEOUT


class RefusedError(RequestError):
    """Nothing is wrong with the request, but not here and now.

    Args:
        message: Why.
        retry_after_s: When to try again; at least a second, as Retry-After counts in seconds.
    """

    reason: ClassVar[str]
    """For the metrics."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = max(1, math.ceil(retry_after_s))


class BusyError(RefusedError):
    """The instance has as much to do as it takes on."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    reason = "capacity"


class UnavailableError(RefusedError):
    """The service is loading or leaving."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "not_ready"


class LateError(UnavailableError):
    """The answer would come after the request's deadline; it wasn't worked on."""

    reason = "deadline"


class SupersededError(UnavailableError):
    """The instance is slower than the video: a newer frame took this one's turn; it wasn't worked on."""

    reason = "superseded"


class AbandonedError(UnavailableError):
    """The client closed its connection while the request waited; it wasn't worked on."""

    reason = "client_gone"
