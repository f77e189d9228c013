"""A receiver of video reports while there is something to report; aiortc has no switch for it."""

import asyncio
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpReceiver

from astraea.edge_server.webrtc.reports import _TASK, Reports

from .conftest import settle
from .publisher import Track


async def connected() -> tuple[RTCPeerConnection, RTCPeerConnection, RTCRtpReceiver]:
    sends, takes = RTCPeerConnection(), RTCPeerConnection()
    sends.addTrack(Track(30, marked=False))
    await sends.setLocalDescription()
    await takes.setRemoteDescription(sends.localDescription)
    await takes.setLocalDescription()
    await sends.setRemoteDescription(takes.localDescription)
    await settle(lambda: takes.connectionState == "connected")
    return sends, takes, takes.getReceivers()[0]


async def reported(sends: RTCPeerConnection) -> bool:
    """Whether a report has come to the sender."""
    stats = await sends.getSenders()[0].getStats()
    return any(entry.type == "remote-inbound-rtp" for entry in stats.values())


async def test_reports_end_with_what_there_is_to_report_and_begin_again_with_it() -> None:
    sends, takes, receiver = await connected()
    try:
        reports = Reports(receiver)

        def task() -> Any:
            return getattr(receiver, _TASK)

        reports.received()
        reports.look()
        assert not task().cancelling()
        reports.look()
        await settle(lambda: task().done())
        paused = task()
        reports.look()
        assert task() is paused
        reports.received()
        assert task() is not paused
        reports.received()
        assert not task().done()

        async with asyncio.timeout(20):
            while not await reported(sends):  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.05)
    finally:
        await sends.close()
        await takes.close()  # it waits for the reports to end
