"""How much has to have come before the event loop is woken to read: over a slow link, it would be for every packet."""

import asyncio
import socket
from contextlib import suppress

_MOST_BYTES = 64 * 1024  # what the kernel's buffer of a socket surely holds


class LowWaterMark:
    """That of one connection, `SO_RCVLOWAT` of socket(7); it stays 1 byte for one that TLS protects.

    Of what TLS carries, a part may be here already though nobody has seen it: no count of bytes is safe.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        encrypted = transport.get_extra_info("sslcontext") is not None
        self._socket: socket.socket | None = None if encrypted else transport.get_extra_info("socket").dup()
        """One of our own: uvloop's makes a new object, and asks for its name, each time that an option is set."""
        self._bytes = 1

    def set(self, count: int) -> None:
        """Wait until so many bytes have come, or as many as a socket surely holds; or until there will be no more."""
        count = min(count, _MOST_BYTES)
        if self._socket is not None and count != self._bytes:
            self._bytes = count
            with suppress(OSError):  # closed just now
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def close(self) -> None:
        """Let go of the connection's socket, which stays open."""
        if self._socket is not None:
            self._socket.close()
