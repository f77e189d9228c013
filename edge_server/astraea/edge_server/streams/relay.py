"""A way to an RTSP camera that no redirection leaves.

FFmpeg follows an RTSP redirection to wherever it leads, and can't be told not to. So it is given an address of this
machine, behind which its bytes are carried to and from the camera, until a `Location` comes. The camera sees the
address in its requests, as behind any port that is forwarded.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from threading import Thread
from urllib.parse import urlsplit

_PORTS = {"rtsp": 554, "rtsps": 322}
_OPEN_S = 10.0
_CHUNK_BYTES = 64 * 1024


class Redirections:
    """Finds the `Location` header of a reply, however its bytes are cut.

    As FFmpeg reads a line: it ends with a newline, carriage returns in it are skipped, and case doesn't matter.
    """

    _HEADER = b"\nlocation:"

    def __init__(self) -> None:
        self._tail = b""

    def found_in(self, data: bytes) -> bool:
        """Whether one ends in the bytes that came next."""
        seen = self._tail + data.replace(b"\r", b"").lower()
        self._tail = seen[-len(self._HEADER) + 1 :]
        return self._HEADER in seen


class Relay:
    """One connection to a camera, to be made by connecting to `url`; it ends when either side ends it.

    Args:
        url: The camera's, rtsp or rtsps. Its certificate isn't checked: cameras sign their own.

    Raises:
        OSError: The camera isn't reached.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "rtsps"
        self.redirected = False
        """Whether the camera has tried to send its reader elsewhere."""
        self._camera = socket.create_connection((self._host, parts.port or _PORTS[parts.scheme]), _OPEN_S)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        credentials, at, _ = parts.netloc.rpartition("@")
        here = f"{credentials}{at}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = parts._replace(scheme="rtsp", netloc=here).geturl()
        Thread(target=asyncio.run, args=(self._run(),), name="rtsp-relay", daemon=True).start()

    async def _run(self) -> None:
        with self._camera, self._listener, suppress(OSError, TimeoutError):  # the reader finds its connection closed
            await self._connect()

    async def _connect(self) -> None:
        self._listener.settimeout(0)
        async with asyncio.timeout(_OPEN_S):
            accepted, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            self._listener.close()
            from_reader, to_reader = await asyncio.open_connection(sock=accepted)
            try:
                from_camera, to_camera = await self._open_camera()
            except BaseException:
                to_reader.close()
                raise
        pumps = {
            asyncio.create_task(self._carry(from_reader, to_camera, None)),
            asyncio.create_task(self._carry(from_camera, to_reader, Redirections())),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_reader.close()
            to_camera.transport.abort()  # by TLS, a goodbye would wait for the camera's
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            with suppress(OSError):
                await to_camera.wait_closed()

    async def _open_camera(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._tls:
            return await asyncio.open_connection(sock=self._camera)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection(sock=self._camera, ssl=context, server_hostname=self._host)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, redirections: Redirections | None
    ) -> None:
        while data := await source.read(_CHUNK_BYTES):
            if redirections is not None and redirections.found_in(data):
                self.redirected = True
                return
            sink.write(data)
            await sink.drain()
