"""A video that is published by WHIP (RFC 9725), and the results that come back on its data channel."""

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import httpx
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from ...errors import CorruptError, UnreachableError
from ..base import CONNECT_TIMEOUT_S, Credential, refusal

_CONNECT_S = 5.0
"""ICE and DTLS, over a slow mobile network."""
_MOST_BYTES = 64 * 1024
_CLOCK = Fraction(1, 90_000)
_LINK = re.compile(r"<((?:stun|turns?):[^>]+)>([^<]*)")
_PARAMETER = re.compile(r'(username|credential)="([^"]*)"')


class _Track(MediaStreamTrack):
    """Frames that are encoded already, sent as they are put in."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, data: bytes, at_s: float) -> None:
        packet = av.Packet(data)
        packet.pts, packet.time_base = round(at_s / _CLOCK), _CLOCK
        self._packets.put_nowait(packet)

    async def recv(self) -> Any:
        """See MediaStreamTrack."""
        return await self._packets.get()


class Publication:
    """One connection to an edge server; open it once.

    Args:
        url: of the server.
        credential: what authorises us there.
        on_result: takes the text of each result.
        on_keyframe: the server wants a frame that needs no other.

    Attributes:
        instance, revision: what answers; None before it is open.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        on_result: Callable[[str], None],
        on_keyframe: Callable[[], None],
    ) -> None:
        self.instance: str | None = None
        self.revision: str | None = None
        self._url = f"{url}/whip"
        # One of its own: the device may have another address than that which earlier connections were made from.
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(_CONNECT_S, connect=CONNECT_TIMEOUT_S))
        self._credential = credential
        self._on_result = on_result
        self._on_keyframe = on_keyframe
        self._track = _Track()
        self._connection: RTCPeerConnection | None = None
        self._resource: httpx.URL | None = None

    @property
    def is_open(self) -> bool:
        """Whether it carries frames."""
        return self._connection is not None and self._connection.connectionState == "connected"

    def send(self, data: bytes, at_s: float) -> None:
        """Send an encoded frame, filmed at that time on a clock that never goes back."""
        self._track.put(data, at_s)

    async def open(self) -> None:
        """Publish, and wait until frames can go.

        Raises:
            RefusedError: the server takes no video, or no more now.
            UnreachableError: it can't be asked, or no way was found for the video; the message says what was tried.
        """
        connection = RTCPeerConnection(RTCConfiguration(await self._ice_servers()))
        self._connection = connection
        ready = asyncio.Event()
        failed: list[str] = []

        def changed() -> None:
            if connection.connectionState == "failed":
                failed.append(self._tried())
                ready.set()

        connection.on("connectionstatechange", changed)
        sender = connection.addTransceiver(self._track, "sendonly")
        sender.setCodecPreferences([one for one in _capabilities() if one.name in {"H264", "rtx"}])
        # aiortc handles the request for what it encodes itself; a test tells when the name changes.
        setattr(sender.sender, "_send_keyframe", self._on_keyframe)  # noqa: B010 - mypy
        channel = connection.createDataChannel("results", ordered=False)
        channel.on("message", self._on_result)
        channel.on("open", ready.set)
        await connection.setLocalDescription()
        answer = await self._exchange("POST", self._url, connection.localDescription.sdp)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:  # noqa: BLE001 - aiortc's parser raises whatever the text makes it stumble over
            raise CorruptError(f"{self._url} sent no answer that WebRTC knows: {error}") from None
        try:
            async with asyncio.timeout(_CONNECT_S):
                await ready.wait()
        except TimeoutError:
            failed.append(self._tried())
        if failed:
            raise UnreachableError(f"WebRTC to {self._url} did not come about within {_CONNECT_S:.0f} s: {failed[0]}")

    async def close(self) -> None:
        """End it, and tell the server if it can be told."""
        if self._resource is not None:
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._client.delete(self._resource, headers=self._credential.headers)
            self._resource = None
        if self._connection is not None:
            await self._connection.close()
        await self._client.aclose()

    async def _ice_servers(self) -> list[RTCIceServer]:
        try:
            response = await self._client.options(self._url, headers=self._credential.headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self._url}: {error or type(error).__name__}") from None
        if response.is_error:
            raise refusal(self._url, response.status_code, response.content[:_MOST_BYTES])
        return list(_ice_servers(response.headers.get_list("link")))

    async def _exchange(self, method: str, url: str, offer: str) -> str:
        try:
            response = await self._client.request(
                method, url, content=offer, headers=self._credential.headers | {"content-type": "application/sdp"}
            )
        except httpx.HTTPError as error:
            raise UnreachableError(f"{self._url}: {error or type(error).__name__}") from None
        if response.is_error:
            raise refusal(self._url, response.status_code, response.content[:_MOST_BYTES])
        if "location" not in response.headers or len(response.content) > _MOST_BYTES:
            raise CorruptError(f"{self._url} answered {response.status_code} without what WHIP asks for")
        self._resource = response.url.join(response.headers["location"])
        self.instance = response.headers.get("astraea-instance")
        self.revision = response.headers.get("astraea-revision")
        return response.text

    def _tried(self) -> str:
        assert self._connection is not None  # noqa: S101 - asked while it is opened
        ice = self._connection.getTransceivers()[0].sender.transport.transport
        here = ", ".join(f"{one.type} {one.ip}" for one in ice.iceGatherer.getLocalCandidates()) or "none"
        there = ", ".join(f"{one.type} {one.ip}" for one in ice.getRemoteCandidates()) or "none"
        return f"ICE is {ice.state}; candidates here: {here}; there: {there}"


def _capabilities() -> list[Any]:
    return RTCRtpSender.getCapabilities("video").codecs


def _ice_servers(links: Iterable[str]) -> Iterable[RTCIceServer]:
    """The servers that `Link` headers name (RFC 9725, 4.6)."""
    for link in links:
        for url, parameters in _LINK.findall(link):
            given = dict(_PARAMETER.findall(parameters))
            yield RTCIceServer(url, given.get("username"), given.get("credential"))
