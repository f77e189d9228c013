"""Streams over links that lose, reorder, fall silent or change the address go on within 2 s of the link's return."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

import pytest

from astraea.device import TransportError, WebSocketTransport
from netlab import Conditions
from tests.system.conftest import CLEAR_LINK, Lab

pytestmark = pytest.mark.usefixtures("netns")

BACK_S = 2.0
PAYLOAD = bytes(range(256)) * 160
"""40 kB, as a camera's frame."""


@pytest.fixture
def handler() -> str:
    return "def predict(model, body: bytes): return sum(body)\n"


def run(lab: Lab, work: Callable[[WebSocketTransport], Coroutine[Any, Any, None]]) -> None:
    """Work with a stream from the device to the edge."""

    async def main() -> None:
        stream = WebSocketTransport(lab.url)
        try:
            await work(stream)
        finally:
            await stream.close()

    with lab.device.entered():
        asyncio.run(main())


async def answered(stream: WebSocketTransport, number: int = 0) -> bool:
    """Whether a frame has its own answer within a moment."""
    payload = PAYLOAD + number.to_bytes(4, "big")
    try:
        async with asyncio.timeout(0.5):
            reply = await stream.send(payload, "application/octet-stream")
    except (TimeoutError, TransportError):
        return False
    return bool(json.loads(reply.body)["output"] == sum(payload))


async def back_after(stream: WebSocketTransport) -> float:
    """How long it takes until frames are answered again, in seconds."""
    began_s = monotonic()
    while not await answered(stream):
        assert monotonic() < began_s + 20
        await asyncio.sleep(0.05)
    return monotonic() - began_s


def test_loss_and_reordering_cost_no_frame(lab: Lab) -> None:
    async def send_all(stream: WebSocketTransport) -> None:
        # A connection whose first packet is lost is given up; the question here is what becomes of one that stands.
        assert await answered(stream)
        lab.link.become(Conditions(rate_mbps=30, delay_ms=15, jitter_ms=5, loss_pct=2, reorder_pct=2))

        async def one(number: int) -> int:
            payload = PAYLOAD + number.to_bytes(4, "big")
            return int(json.loads((await stream.send(payload, "")).body)["output"]) - sum(payload)

        assert await asyncio.gather(*(one(number) for number in range(150))) == [0] * 150

    run(lab, send_all)


def test_after_an_outage_frames_are_answered_at_once(lab: Lab) -> None:
    async def cut(stream: WebSocketTransport) -> None:
        assert await answered(stream)
        lab.link.become(Conditions(up=False))
        until_s = monotonic() + 3
        while monotonic() < until_s:
            assert not await answered(stream)
            await asyncio.sleep(0.05)
        lab.link.become(CLEAR_LINK)
        assert await back_after(stream) < BACK_S

    run(lab, cut)


def test_a_device_that_gets_another_address_goes_on(lab: Lab) -> None:
    async def move(stream: WebSocketTransport) -> None:
        assert await answered(stream)
        lab.move_device()
        assert await back_after(stream) < BACK_S

    run(lab, move)
