"""A stream where the server offers it, plain requests where it doesn't."""

import logging
from time import monotonic

from ..errors import NoStreamError
from .base import Credential, Reply, Transport
from .http import HttpTransport
from .websocket import WebSocketTransport

_log = logging.getLogger(__name__)

_TRY_AGAIN_S = 60.0
"""A server without streams may be replaced by one with them."""


class AutoTransport:
    """`WebSocketTransport`, and `HttpTransport` to a server, or through a proxy, that has no WebSockets.

    Args:
        url: the server's base address.
        credential: what authorises us, if the server wants to know.
    """

    def __init__(self, url: str, credential: Credential | None = None) -> None:
        self._url = url
        self._credential = credential or Credential()
        self._stream = WebSocketTransport(url, self._credential)
        self._requests: HttpTransport | None = None
        self._until_s = 0.0

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """See Transport.send."""
        try:
            return await self._way().send(payload, media_type, deadline_ms=deadline_ms, traceparent=traceparent)
        except NoStreamError as error:
            return await self._instead(error).send(
                payload, media_type, deadline_ms=deadline_ms, traceparent=traceparent
            )

    async def probe(self, payload: bytes) -> Reply:
        """See Transport.probe."""
        try:
            return await self._way().probe(payload)
        except NoStreamError as error:
            return await self._instead(error).probe(payload)

    async def close(self) -> None:
        """See Transport.close."""
        await self._stream.close()
        if self._requests is not None:
            await self._requests.close()

    def _way(self) -> Transport:
        return self._requests if self._requests is not None and monotonic() < self._until_s else self._stream

    def _instead(self, error: NoStreamError) -> HttpTransport:
        if self._requests is None:
            _log.info("%s; sending frames as HTTP requests", error)
            self._requests = HttpTransport(self._url, self._credential)
        self._until_s = monotonic() + _TRY_AGAIN_S
        return self._requests
