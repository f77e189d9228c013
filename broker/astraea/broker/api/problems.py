"""Every error of the API as a problem document (RFC 9457), and requests too large to be anything but a mistake."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astraea.protocol import PROBLEM_MEDIA_TYPE, Problem

from ..errors import BrokerError, EnrolmentError, StoreError, UnknownKeyError, UnknownServiceError

MAX_BODY_BYTES = 64 * 1024
"""An instance's document has some 300 bytes, and at most a few thousand."""
_MAX_ECHO_CHARS = 80
_RETRY_AFTER_S = 1
_STATUS = {
    EnrolmentError: HTTPStatus.FORBIDDEN,
    UnknownKeyError: HTTPStatus.NOT_FOUND,
    UnknownServiceError: HTTPStatus.NOT_FOUND,
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}
"""For the OpenAPI page: how each route answers when it doesn't do what it was asked."""


def report_problems(app: FastAPI) -> None:
    """Make every error of this application a problem document."""
    app.exception_handler(StarletteHTTPException)(_http)
    app.exception_handler(RequestValidationError)(_invalid)
    for kind, status in _STATUS.items():
        app.exception_handler(kind)(partial(_broker_error, status))
    app.exception_handler(StoreError)(_store)
    app.exception_handler(Exception)(_unexpected)


def problem(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """A reply that carries a problem document."""
    document = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    content = document.model_dump_json(exclude_none=True)
    return Response(content, status, headers, media_type=PROBLEM_MEDIA_TYPE)


async def _http(_request: Request, error: StarletteHTTPException) -> Response:
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return problem(error.status_code, detail, error.headers)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(map(_describe, error.errors())))


async def _broker_error(status: HTTPStatus, _request: Request, error: BrokerError) -> Response:
    return problem(status, str(error))


async def _store(_request: Request, error: StoreError) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"retry-after": str(_RETRY_AFTER_S)})


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the broker's log says more")


def _describe(error: Mapping[str, Any]) -> str:
    """Where, what was expected, and what was there instead, shortened and in ASCII: it may be anything."""
    where = ".".join(str(part) for part in error["loc"])
    found = ascii(error["input"])
    if len(found) > _MAX_ECHO_CHARS:
        found = found[:_MAX_ECHO_CHARS] + "..."
    return f"{where}: {error['msg']}, found {found}"


class LimitBody:
    """ASGI middleware: stops reading a body that grows beyond `MAX_BODY_BYTES`, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what is read of it."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {MAX_BODY_BYTES} bytes at most"
                )
            return message

        await self._app(scope, limited, send)
