"""A receiver of video reports while there is something to report; aiortc has no switch for it."""

import asyncio
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket, RtcpSourceInfo
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.webrtc.reports import _STARTED, _TASK, Reports, packet_types

from .conftest import settle
from .publisher import Track


async def connected() -> tuple[RTCPeerConnection, RTCPeerConnection, RTCRtpReceiver]:
    sends, takes = RTCPeerConnection(), RTCPeerConnection()
    sends.addTrack(Track(30, marked=False))
    await sends.setLocalDescription()
    await takes.setRemoteDescription(sends.localDescription)
    await takes.setLocalDescription()
    await sends.setRemoteDescription(takes.localDescription)
    receiver = takes.getReceivers()[0]
    await settle(lambda: takes.connectionState == "connected" and getattr(receiver, _STARTED).is_set())
    return sends, takes, receiver


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


async def drain(receiver: RTCRtpReceiver) -> None:
    async with asyncio.timeout(20):
        while True:
            await receiver.track.recv()


async def test_a_sender_that_leaves_while_it_pauses_is_heard() -> None:
    sends, takes, receiver = await connected()
    try:
        Reports(receiver).look()
        await settle(lambda: getattr(receiver, _TASK).done())
        await sends.getSenders()[0].stop()
        with pytest.raises(MediaStreamError):
            await drain(receiver)
    finally:
        await sends.close()
        await takes.close()


def test_a_compound_packet_is_its_packets() -> None:
    data = bytes(RtcpSdesPacket([RtcpSourceInfo(7, [(1, b"someone")])])) + bytes(RtcpByePacket([7]))
    assert list(packet_types(data)) == [202, 203]


@given(st.binary(max_size=64))
def test_whatever_is_a_compound_packet_to_aiortc_is_one_here(data: bytes) -> None:
    found = list(packet_types(data))
    try:
        packets = RtcpPacket.parse(data)
    except ValueError:
        return
    assert len(found) >= len(packets)
