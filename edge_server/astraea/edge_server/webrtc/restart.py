"""ICE restarts (RFC 8445, 9), which aiortc doesn't know: another ICE connection takes the place of one that goes on.

DTLS, SRTP and the data channel above it don't notice. Both run side by side until the new one has found its way, so
that a peer that changes its network loses only what was on its way. aiortc has no interface for it; the tests tell when
the names that are used here change.
"""

import asyncio
from contextlib import suppress

from aioice import Candidate, Connection
from aiortc import RTCIceServer
from aiortc.rtcicetransport import RTCIceTransport, connection_kwargs

from .fragments import Fragment


class IceRestarts:
    """Lets an ICE transport be restarted, any number of times.

    Args:
        transport: The one that DTLS uses.
        servers: That help to find a way.
    """

    def __init__(self, transport: RTCIceTransport, servers: list[RTCIceServer]) -> None:
        self._transport = transport
        self._servers = servers
        self._fresh: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        setattr(transport, "_recv", self._receive)  # noqa: B010 - mypy

    @property
    def current(self) -> Connection:
        """The connection that was begun last."""
        return self._fresh or self._transport._connection  # noqa: SLF001

    async def begin(self, *, controlling: bool) -> Connection:
        """Gather candidates for another ICE session."""
        await self.close()
        self._fresh = Connection(ice_controlling=controlling, **connection_kwargs(self._servers))
        await self._fresh.gather_candidates()
        return self._fresh

    async def go_on(self, peer: Fragment) -> None:
        """Take the peer's side of what was begun; it changes over as soon as a way is found.

        Raises:
            ValueError: One of the candidates can't be read.
        """
        fresh = self.current
        fresh.remote_username, fresh.remote_password = peer.ufrag, peer.pwd
        for _, line in peer.candidates:
            await fresh.add_remote_candidate(Candidate.from_sdp(line))
        if peer.complete:
            await fresh.add_remote_candidate(None)
        self._connecting = asyncio.create_task(self._change_over(fresh))

    async def close(self) -> None:
        """Give up what hasn't changed over."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None and not connecting.done():
            connecting.cancel()
            with suppress(asyncio.CancelledError):
                await connecting
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            await fresh.close()

    async def _change_over(self, fresh: Connection) -> None:
        with suppress(ConnectionError):  # no way was found: the old one goes on, or ends the session when it can't
            await fresh.connect()
            transport, before = self._transport, self._transport._connection  # noqa: SLF001
            monitor: asyncio.Task[None] | None = getattr(transport, "_RTCIceTransport__monitor_task")  # noqa: B009
            if monitor is not None:
                monitor.cancel()  # else the end of the old one would be taken for the transport's
            transport._connection = transport.iceGatherer._connection = fresh  # noqa: SLF001
            setattr(transport, "_send", fresh.send)  # noqa: B010
            setattr(transport, "_RTCIceTransport__monitor_task", asyncio.create_task(transport._monitor()))  # noqa: B010, SLF001
            self._fresh = None
            await before.close()

    async def _receive(self) -> bytes:
        while True:
            connection = self._transport._connection  # noqa: SLF001
            try:
                return await connection.recv()
            except ConnectionError:
                if connection is self._transport._connection:  # noqa: SLF001
                    raise
