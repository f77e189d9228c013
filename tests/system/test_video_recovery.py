"""Video over links that lose, reorder, fall silent or change the address: each answer is for its frame, and soon."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

import pytest

from astraea.device import HttpTransport, TransportError
from astraea.device.encoding import Encoding
from astraea.device.transports.webrtc import open_webrtc
from astraea.device.transports.webrtc.transport import VIDEO_MEDIA_TYPE, WebRtcTransport
from netlab import Conditions
from tests.edge_server.publisher import NUMBER_HANDLER, numbered
from tests.system.conftest import CLEAR_LINK, Lab

pytestmark = pytest.mark.usefixtures("netns")

BACK_S = 2.0
FPS = 50


@pytest.fixture
def handler() -> str:
    return NUMBER_HANDLER


def run(lab: Lab, work: Callable[[WebRtcTransport], Coroutine[Any, Any, None]]) -> None:
    """Work with a video that is published from the device to the edge."""

    async def main() -> None:
        video = open_webrtc(lab.url, HttpTransport(lab.url))
        assert isinstance(video, WebRtcTransport)
        try:
            await video.probe(b"x")
            async with asyncio.timeout(20):
                while not video.is_video:  # noqa: ASYNC110 - it has no event for it
                    await asyncio.sleep(0.02)
            await work(video)
        finally:
            await video.close()

    with lab.device.entered():
        asyncio.run(main())


async def answer(video: WebRtcTransport, number: int, patience_s: float) -> bool:
    """Whether the picture with a number has an answer in time, which must then be that number."""
    payload = video.encode(numbered(number), Encoding())
    try:
        async with asyncio.timeout(patience_s):
            reply = await video.send(payload.data, payload.media_type)
    except (TimeoutError, TransportError):
        return False
    assert json.loads(reply.body)["number"] == number
    return payload.media_type == VIDEO_MEDIA_TYPE


async def back_after(video: WebRtcTransport) -> float:
    """How long it takes until frames are answered again, in seconds."""
    began_s = monotonic()
    number = 0
    while not await answer(video, number, 0.3):
        number += 1
        assert monotonic() < began_s + 20
    return monotonic() - began_s


def test_with_loss_and_reordering_each_answer_is_for_its_frame(lab: Lab) -> None:
    lab.link.become(Conditions(rate_mbps=30, delay_ms=15, jitter_ms=5, loss_pct=2, reorder_pct=2))

    async def film(video: WebRtcTransport) -> None:
        asked = []
        for number in range(300):
            asked.append(asyncio.create_task(answer(video, number, 3.0)))
            await asyncio.sleep(1 / FPS)
        answered = sum(await asyncio.gather(*asked))
        assert answered > 150  # the others waited for a keyframe, or a newer one took their turn

    run(lab, film)


def test_after_an_outage_frames_are_answered_at_once(lab: Lab) -> None:
    async def cut(video: WebRtcTransport) -> None:
        assert await answer(video, 1, 3.0)
        lab.link.become(Conditions(up=False))
        until_s = monotonic() + 3
        while monotonic() < until_s:
            assert not await answer(video, 2, 0.1)
        lab.link.become(CLEAR_LINK)
        assert await back_after(video) < BACK_S

    run(lab, cut)


def test_a_device_that_gets_another_address_goes_on(lab: Lab) -> None:
    async def move(video: WebRtcTransport) -> None:
        assert await answer(video, 1, 3.0)
        lab.move_device()
        assert await back_after(video) < BACK_S

    run(lab, move)
