"""One HTTP exchange at the level of ASGI: the body in, the reply out, and problem documents for what goes wrong.

The hot path stays below Starlette's Request and Response, which cost as much as all of our own work on a request.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send

from astraea.protocol import PROBLEM_MEDIA_TYPE, Problem

from .errors import BadInputError, RefusedError, RequestError, TooLargeError, UnauthorizedError

Headers = Mapping[bytes, bytes]
RawHeaders = list[tuple[bytes, bytes]]


class Reply(NamedTuple):
    """A whole reply."""

    status: int
    headers: RawHeaders
    """All of them, the content's length too."""
    body: bytes


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete: there is nobody to answer."""


async def read_body(headers: Headers, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body of a request; one that is announced as too large is not read at all.

    Raises:
        TooLargeError: It has more than `limit_bytes`.
        BadInputError: Its announced length is no number.
        ClientGoneError: It breaks off.
    """
    announced_bytes(headers, limit_bytes)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _read_on(body, receive, limit_bytes)
    elif message["type"] == "http.disconnect":
        raise ClientGoneError
    return body


def announced_bytes(headers: Headers, limit_bytes: int) -> int:
    """How much room a request's body may need: what it announces, or the most that is taken.

    Raises:
        TooLargeError: It announces more than `limit_bytes`.
        BadInputError: It announces what is no number.
    """
    announced = headers.get(b"content-length")
    if announced is None:
        return limit_bytes if b"transfer-encoding" in headers else 0
    if not announced.isdigit():
        raise BadInputError(f"Content-Length is {announced[:20]!r}, not a number of bytes")
    _check_size(int(announced), limit_bytes)
    return int(announced)


async def _read_on(body: bytes, receive: Receive, limit_bytes: int) -> bytes:
    parts, size = [body], len(body)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        _check_size(size, limit_bytes)
        more = message.get("more_body", False)
    return b"".join(parts)


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise TooLargeError(f"the body has {size_bytes} bytes or more; at most {limit_bytes} are taken")


async def send_reply(send: Send, status: int, headers: RawHeaders, body: bytes = b"") -> None:
    """Send a whole reply; `headers` must do without a content length."""
    if status != HTTPStatus.NO_CONTENT:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_response(
    status: int, detail: str | None = None, *, instance: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A reply that carries a problem document."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance)
    return Response(problem.model_dump_json(exclude_none=True), status, headers, media_type=PROBLEM_MEDIA_TYPE)


def refusal(error: RequestError, document: Callable[..., Response] = problem_response) -> Response:
    """The reply to a request that can't be answered; `document` is called as `problem_response` is."""
    return document(error.status, str(error), headers=_headers_of(error))


def _headers_of(error: RequestError) -> Mapping[str, str] | None:
    if isinstance(error, RefusedError):
        return {"retry-after": str(error.retry_after_s)}
    return {"www-authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else None


async def on_request_error(_request: Request, error: Exception) -> Response:
    """What an endpoint refuses."""
    assert isinstance(error, RequestError)  # noqa: S101 - registered for these alone
    return refusal(error)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Starlette's own errors, such as 404 and 405, as problem documents."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these alone
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return problem_response(error.status_code, detail, headers=error.headers)


async def on_unexpected(_request: Request, _error: Exception) -> Response:
    """A mistake of our own; Starlette raises it again for the log."""
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "the server's log says more")
