"""A receiver's reports on what it receives, and the sender's (RTCP), for as long as there is anything to report.

aiortc sends its own once a second, and works through those of the sender: of fifty videos that pause, that is much of
what they cost.
"""

import asyncio
from collections.abc import Iterator
from typing import cast

from aiortc import RTCRtpReceiver

_TASK = "_RTCRtpReceiver__rtcp_task"
"""aiortc has no switch for it; a test tells when the name changes."""
_STARTED = "_RTCRtpReceiver__rtcp_started"
_HANDLE = "_handle_rtcp_data"
"""Likewise, both of them."""
_REPORTS = frozenset({200, 201, 202})
"""Types of RTCP packets that say what was sent and received, and by whom (RFC 3550, 12.1)."""


class Reports:
    """Those of one receiver.

    Args:
        receiver: May have begun to receive, or will.
    """

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver
        self._received = False
        self._paused = False

    def received(self) -> None:
        """A packet of the video has come."""
        self._received = True
        if self._paused:
            self._paused = False
            delattr(self._receiver.transport, _HANDLE)
            setattr(self._receiver, _TASK, asyncio.ensure_future(self._receiver._run_rtcp()))  # noqa: SLF001 - see above

    def look(self) -> None:
        """Pause them if nothing has come since the last look."""
        # A task that is cancelled before its first step never tells aiortc, which waits for it, that it has ended.
        if getattr(self._receiver, _STARTED).is_set() and not (self._received or self._paused):
            self._paused = True
            cast("asyncio.Future[None]", getattr(self._receiver, _TASK)).cancel()
            setattr(self._receiver.transport, _HANDLE, self._glance)
        self._received = False

    async def _glance(self, data: bytes) -> None:
        """Take what the sender of a paused video says, unless it is reports alone."""
        if not _REPORTS.issuperset(packet_types(data)):
            transport = self._receiver.transport
            await type(transport)._handle_rtcp_data(transport, data)  # noqa: SLF001 - see above


def packet_types(data: bytes) -> Iterator[int]:
    """The types of the packets in a compound one (RFC 3550, 6.1); whatever the bytes are, it ends."""
    at = 0
    while at + 4 <= len(data):
        yield data[at + 1]
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
