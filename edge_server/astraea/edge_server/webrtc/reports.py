"""A receiver's reports on what it receives (RTCP), for as long as it receives anything.

aiortc sends them once a second. Of fifty videos that pause, waking up to report nothing is a fifth of what they cost.
"""

import asyncio
from typing import cast

from aiortc import RTCRtpReceiver

_TASK = "_RTCRtpReceiver__rtcp_task"
"""aiortc has no switch for it; a test tells when the name changes."""


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
            setattr(self._receiver, _TASK, asyncio.ensure_future(self._receiver._run_rtcp()))  # noqa: SLF001 - see above

    def look(self) -> None:
        """Pause them if nothing has come since the last look."""
        task = cast("asyncio.Future[None] | None", getattr(self._receiver, _TASK))
        if not (self._received or self._paused or task is None):
            self._paused = True
            task.cancel()
        self._received = False
