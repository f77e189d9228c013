"""A publisher of video over WHIP, made of aiortc alone, and pictures with a number drawn on them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from numpy.typing import NDArray

from astraea.protocol import mark_frame

from .conftest import settle

SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}
CLOCK_HZ = 90_000
_BITS = 14
_BLOCK = 16

NUMBER_HANDLER = """
    from astraea.edge_server import Image
    def predict(model, image: Image):
        rows = [image[row * 16 + 4 : row * 16 + 12, :224].reshape(8, 14, 16, 3)[:, :, 4:12].mean(axis=(0, 2, 3)) > 128
                for row in range(2)]
        readable = bool((rows[0] != rows[1]).all())
        return {"number": int("".join(str(int(bit)) for bit in rows[0]), 2) if readable else None}
"""
"""Reads the number that `numbered` has drawn; None when it can't be read."""


def numbered(number: int, height: int = 120, width: int = 240) -> NDArray[np.uint8]:
    """A picture with a number in two rows of blocks, white for 1 in the first and for 0 in the second."""
    image = np.full((height, width, 3), 90, np.uint8)
    bits = np.array([number >> bit & 1 for bit in reversed(range(_BITS))], bool)
    for row, values in enumerate((bits, ~bits)):
        blocks = np.kron(np.where(values, 235, 16), np.ones((_BLOCK, _BLOCK))).astype(np.uint8)
        image[row * _BLOCK : (row + 1) * _BLOCK, : _BITS * _BLOCK] = blocks[..., None]
    return image


class Track(MediaStreamTrack):
    """Numbered pictures, at a steady pace; marked ones are encoded here, as H.264, and the others by aiortc."""

    kind = "video"

    def __init__(self, fps: float, *, marked: bool, first_number: int = 0) -> None:
        super().__init__()
        self.sent = 0
        self._fps = fps
        self._first = first_number
        self._encoder = _encoder() if marked else None
        self._began_s: float | None = None

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        self._began_s = loop.time() if self._began_s is None else self._began_s
        await asyncio.sleep(self._began_s + self.sent / self._fps - loop.time())
        number = self._first + self.sent
        picture = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
        picture.pts, picture.time_base = round(self.sent * CLOCK_HZ / self._fps), Fraction(1, CLOCK_HZ)
        self.sent += 1
        if self._encoder is None:
            return picture
        packet = av.Packet(mark_frame(b"".join(map(bytes, self._encoder.encode(picture))), number))
        packet.pts, packet.time_base = picture.pts, picture.time_base
        return packet


def _encoder() -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 240, 120, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, CLOCK_HZ), Fraction(30), 300_000
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "15"}
    return encoder


class Publisher:
    """One that publishes; `results` are those that came on its data channel."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        codec: str = "H264",
        marked: bool = True,
        fps: float = 30,
        configuration: RTCConfiguration | None = None,
    ) -> None:
        self.track = Track(fps, marked=marked)
        self.results: list[dict[str, Any]] = []
        self.connection = RTCPeerConnection(configuration or RTCConfiguration([]))
        self.url = self.etag = ""
        transceiver = self.connection.addTransceiver(self.track, "sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([one for one in codecs if one.name in {codec, "rtx"}])
        channel = self.connection.createDataChannel("results", ordered=False)
        channel.on("message", lambda text: self.results.append(json.loads(text)))
        self._client = client

    async def offer(self) -> str:
        """Its offer, with all candidates."""
        await self.connection.setLocalDescription()
        return self.connection.localDescription.sdp

    async def publish(self, change: Callable[[str], str] = str, **headers: str) -> httpx.Response:
        """Offer, and take the answer if there is one."""
        offer = change(await self.offer())
        response = await self._client.post("/whip", content=offer, headers=SDP | headers)
        if response.status_code == 201:
            self.url, self.etag = f"/{response.headers['location']}", response.headers["etag"]
            await self.connection.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        return response


@asynccontextmanager
async def publishing(client: httpx.AsyncClient, count: int = 3, **options: Any) -> AsyncIterator[Publisher]:
    """One that has got so many results."""
    publisher = Publisher(client, **options)
    try:
        response = await publisher.publish()
        assert response.status_code == 201, response.text
        await settle(lambda: len(publisher.results) >= count)
        yield publisher
    finally:
        await publisher.connection.close()
