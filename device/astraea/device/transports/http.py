"""Frames as HTTP requests."""

from time import perf_counter
from typing import TYPE_CHECKING

from astraea.protocol import ServerTiming, TimingError

from ..errors import CorruptError, UnreachableError
from .base import CONNECT_TIMEOUT_S, MAX_REPLY_BYTES, Credential, Reply, refusal

if TYPE_CHECKING:  # importing it takes a quarter of what the whole client takes, and a stream does without
    import httpx


class HttpTransport:
    """Plain HTTP with connections kept open: `POST {url}/predict`, `POST {url}/probe`.

    Args:
        url: the server's base address.
        credential: what authorises us, if the server wants to know.
    """

    def __init__(self, url: str, credential: Credential | None = None) -> None:
        import httpx  # noqa: PLC0415 - see above

        self._url = url.rstrip("/")
        self._credential = credential or Credential()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=8, keepalive_expiry=60),
        )

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """See Transport.send."""
        headers = self._credential.headers | {"content-type": media_type}
        if deadline_ms is not None:
            headers["astraea-deadline-ms"] = str(round(deadline_ms))
        if traceparent is not None:
            headers["traceparent"] = traceparent
        return await self._post("/predict", payload, headers)

    async def probe(self, payload: bytes) -> Reply:
        """See Transport.probe."""
        headers = self._credential.headers | {"content-type": "application/octet-stream"}
        return await self._post("/probe", payload, headers)

    async def close(self) -> None:
        """See Transport.close."""
        await self._client.aclose()

    async def _post(self, path: str, payload: bytes, headers: dict[str, str]) -> Reply:
        import httpx  # noqa: PLC0415 - see above

        start = perf_counter()
        try:
            async with self._client.stream("POST", self._url + path, content=payload, headers=headers) as response:
                body = await _bounded_body(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self._url}: {error or type(error).__name__}") from None
        elapsed_ms = (perf_counter() - start) * 1000
        if response.is_error:
            raise refusal(self._url, response.status_code, body)
        return Reply(
            body,
            _server_timing(response),
            elapsed_ms,
            response.headers.get("astraea-instance"),
            response.headers.get("astraea-revision"),
        )


async def _bounded_body(response: "httpx.Response") -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_REPLY_BYTES:
            raise CorruptError(f"a reply of more than {MAX_REPLY_BYTES} bytes")
    return bytes(body)


def _server_timing(response: "httpx.Response") -> ServerTiming:
    try:
        return ServerTiming.from_header(response.headers.get("server-timing", ""))
    except TimingError as error:
        raise CorruptError(str(error)) from None
