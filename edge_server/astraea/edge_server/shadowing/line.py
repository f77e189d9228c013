"""A connection to one instance of another revision, kept open from copy to copy.

The standard library's client: a request by httpx takes three times its CPU, and that is the price of a copy.
"""

import http.client
from typing import NamedTuple
from urllib.parse import urlsplit

from astraea.protocol import Shadow

from . import SHADOW_HEADER
from .comparing import MOST_COMPARED_BYTES

_TIMEOUT_S = 10.0
"""For the connection, and for each part of a reply: longer than an answer takes that is of any use."""


class UnreachableError(Exception):
    """There is no way to the instance from here, which says nothing of its revision."""


class Response(NamedTuple):
    """What it replied."""

    status: int
    body: bytes
    """No more than can be compared, and a byte."""


class Line:
    """Of one thread."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._base = ""
        """The URL of the instance that it is connected to."""

    def ask(self, shadow: Shadow, body: bytes) -> Response:
        """Send a copy of a request.

        Raises:
            UnreachableError: No connection is made.
            OSError, http.client.HTTPException: It made one, and doesn't answer.
        """
        kept = self._connection is not None and self._base == str(shadow.url)
        try:
            if kept:
                try:
                    return self._exchange(shadow, body)
                except ConnectionError:  # it may have been closed since the last copy, as idle ones are
                    pass
            self._connect(str(shadow.url))
            return self._exchange(shadow, body)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, base: str) -> None:
        self.close()
        url = urlsplit(base)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            raise UnreachableError(str(error)) from None
        self._connection, self._base = connection, base

    def _exchange(self, shadow: Shadow, body: bytes) -> Response:
        assert self._connection is not None  # noqa: S101 - the caller has connected it
        # Whatever the request said its body was: this type is taken by every service.
        headers = {"content-type": "application/octet-stream", SHADOW_HEADER.decode(): "1"}
        if shadow.token is not None:
            headers["authorization"] = f"Bearer {shadow.token}"
        self._connection.request("POST", f"{urlsplit(self._base).path.rstrip('/')}/predict", body, headers)
        reply = self._connection.getresponse()
        content = reply.read(MOST_COMPARED_BYTES + 1)
        if not reply.isclosed():  # there is more of it
            self.close()
        return Response(reply.status, content)
