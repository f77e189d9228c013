"""A publisher of video over WHIP, made of aiortc alone, and pictures with a number drawn on them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from astraea.protocol import mark_frame
from benchmarks import pairing
from benchmarks.pairing import numbered

from .conftest import settle

__all__ = ["FRAGMENT", "NUMBER_HANDLER", "SDP", "Publisher", "numbered", "publishing"]

SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}
CLOCK_HZ = 90_000

NUMBER_HANDLER = (Path(pairing.__file__).parent / "services" / "numbers" / "handler.py").read_text()
"""Reads the number that `numbered` has drawn."""


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
        track: Track | None = None,
    ) -> None:
        self.track = track or Track(fps, marked=marked)
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
