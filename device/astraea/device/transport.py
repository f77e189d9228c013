"""Carrying a frame to a remote target and its answer back."""

from time import perf_counter
from typing import NamedTuple, Protocol

import httpx

from astraea.protocol import Problem, ServerTiming, TimingError

from .errors import CorruptError, RefusedError, TransportError, UnreachableError

_MAX_REPLY_BYTES = 8 * 2**20
"""A reply is outside input too; a thousand detections with corners and text take about 300 kB."""
_CONNECT_TIMEOUT_S = 1.0


class Reply(NamedTuple):
    """What a remote target answered."""

    body: bytes
    server: ServerTiming
    elapsed_ms: float
    """The whole exchange, seen from the device."""
    instance: str | None = None
    revision: str | None = None

    @property
    def network_ms(self) -> float:
        """The exchange less the server's own time."""
        return max(0.0, self.elapsed_ms - self.server.total_ms)


class Transport(Protocol):
    """A way to one remote target. Both verbs raise TransportError; how long to wait is the caller's to say."""

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """Have a payload answered.

        Args:
            payload: what to send.
            media_type: what it is.
            deadline_ms: when the answer will be of no use any more, counted from now; the server may refuse at once.
            traceparent: the W3C trace context that the server is to continue.
        """

    async def probe(self, payload: bytes) -> Reply:
        """Send bytes that mean nothing, to time their way."""

    async def close(self) -> None:
        """Let go of connections."""


class HttpTransport:
    """Plain HTTP with connections kept open: `POST {url}/predict`, `POST {url}/probe`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=8, keepalive_expiry=60),
        )

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """See Transport.send."""
        headers = {"content-type": media_type}
        if deadline_ms is not None:
            headers["astraea-deadline-ms"] = str(round(deadline_ms))
        if traceparent is not None:
            headers["traceparent"] = traceparent
        return await self._post("/predict", payload, headers)

    async def probe(self, payload: bytes) -> Reply:
        """See Transport.probe."""
        return await self._post("/probe", payload, {"content-type": "application/octet-stream"})

    async def close(self) -> None:
        """See Transport.close."""
        await self._client.aclose()

    async def _post(self, path: str, payload: bytes, headers: dict[str, str]) -> Reply:
        start = perf_counter()
        try:
            async with self._client.stream("POST", self._url + path, content=payload, headers=headers) as response:
                body = await _bounded_body(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self._url}: {error or type(error).__name__}") from None
        elapsed_ms = (perf_counter() - start) * 1000
        if response.is_error:
            raise _refusal(self._url, response.status_code, body)
        return Reply(
            body,
            _server_timing(response),
            elapsed_ms,
            response.headers.get("astraea-instance"),
            response.headers.get("astraea-revision"),
        )


async def _bounded_body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _MAX_REPLY_BYTES:
            raise CorruptError(f"a reply of more than {_MAX_REPLY_BYTES} bytes")
    return bytes(body)


def _refusal(url: str, status: int, body: bytes) -> TransportError:
    try:
        problem = Problem.model_validate_json(body)
        reason = problem.detail or problem.title
    except ValueError:
        reason = "no reason given"
    return RefusedError(f"{url} answered {status}: {reason}")


def _server_timing(response: httpx.Response) -> ServerTiming:
    try:
        return ServerTiming.from_header(response.headers.get("server-timing", ""))
    except TimingError as error:
        raise CorruptError(str(error)) from None
