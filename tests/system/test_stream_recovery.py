"""Streams over links that lose, reorder, fall silent or change the address go on within 2 s of the link's return."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest

from astraea.device import TransportError, WebSocketTransport
from netlab import Conditions, Link, Namespace
from tests.system.conftest import ASTRAEA, wait_until

pytestmark = pytest.mark.usefixtures("netns")

LINK = Conditions(rate_mbps=30, delay_ms=15)
BACK_S = 2.0
PAYLOAD = bytes(range(256)) * 160
"""40 kB, as a camera's frame."""


class Lab(NamedTuple):
    device: Namespace
    edge: Namespace
    link: Link
    url: str

    def run(self, work: Callable[[WebSocketTransport], Coroutine[Any, Any, None]]) -> None:
        """Work with a stream from the device to the edge."""

        async def main() -> None:
            stream = WebSocketTransport(self.url)
            try:
                await work(stream)
            finally:
                await stream.close()

        with self.device.entered():
            asyncio.run(main())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "astraea.yaml").write_text("name: sums\nversion: 1.0.0\nhandler: handler.py\n")
    (tmp_path / "handler.py").write_text("def predict(model, body: bytes): return sum(body)\n")
    log = tmp_path / "log"
    with Namespace() as device, Namespace() as edge, Link(device, edge) as link:
        with log.open("w") as output:
            edge.start(
                [*ASTRAEA, "serve", str(tmp_path), "--host", link.right, "--port", "8000", "--insecure"], stderr=output
            )
        wait_until(lambda: " answers at " in log.read_text(), "the server is ready")
        link.become(LINK)
        yield Lab(device, edge, link, f"http://{link.right}:8000")


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

    lab.run(send_all)


def test_after_an_outage_frames_are_answered_at_once(lab: Lab) -> None:
    async def cut(stream: WebSocketTransport) -> None:
        assert await answered(stream)
        lab.link.become(Conditions(up=False))
        until_s = monotonic() + 3
        while monotonic() < until_s:
            assert not await answered(stream)
            await asyncio.sleep(0.05)
        lab.link.become(LINK)
        assert await back_after(stream) < BACK_S

    lab.run(cut)


def test_a_device_that_gets_another_address_goes_on(lab: Lab) -> None:
    async def move(stream: WebSocketTransport) -> None:
        assert await answered(stream)
        links = lab.device.run("ip", "-o", "-4", "address", "show", "to", lab.link.left)
        found = re.match(r"\d+: (\S+)", links)
        assert found, links
        name = found[1]
        lab.edge.run("ip", "route", "add", "10.77.0.9", "dev", name)
        lab.device.run("ip", "address", "delete", lab.link.left, "peer", lab.link.right, "dev", name)
        lab.device.run("ip", "address", "add", "10.77.0.9", "peer", lab.link.right, "dev", name)
        assert await back_after(stream) < BACK_S

    lab.run(move)
