"""One peer that publishes video: its connection, its frames, and the channel that its results go back on."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple, cast

import av
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamTrack
from aiortc.sdp import candidate_from_sdp

from astraea.protocol import find_frame_mark

from ..errors import BadInputError
from ..streams.results import encode_result
from ..streams.session import Outcome
from ..streams.video import Videos
from .assembly import Assembler, EncodedFrame
from .fragments import Fragment, write_fragment
from .ice import IceServer
from .reports import Reports
from .restart import IceRestarts

_logger = logging.getLogger(__name__)

RESULTS_CHANNEL = "results"
"""The label of the data channel that the publisher opens for them."""
CONNECT_S = 15.0
"""For ICE and DTLS together; a browser gives up after about as long."""
SILENT_S = 10.0
"""A sender that pauses its video still reports once a second (RTCP); an outage of 3 s must not end it."""
_LOOK_S = 2.5  # between looks whether anything came
_MOST_ENCODED = 60  # frames that wait to be decoded: two seconds
_MOST_BUFFERED_BYTES = 1 << 20  # of results that the peer doesn't fetch
_MAX_RESULT_BYTES = 256 * 1024  # what browsers and aiortc take as one message


class _Arrival(NamedTuple):
    rtp_timestamp: int
    complete_at_s: float
    """When its last packet came, by `time.perf_counter`."""
    decoded_at_s: float


class Peer:
    """A connection.

    Args:
        videos: Where its video is opened.
        ice_servers: That help to find a way.
        deadline_s: How long after its last packet a frame's answer is of use.
        trace: The W3C trace context of the request that opened it.
        on_end: Called once with the reason when it has ended by itself.

    Raises:
        RequestError: The service takes no images, or no more streams now.
    """

    def __init__(
        self,
        videos: Videos,
        ice_servers: list[IceServer],
        *,
        deadline_s: float = math.inf,
        trace: bytes | None = None,
        on_end: Callable[["Peer", str], None],
    ) -> None:
        self._videos = videos
        self.video = videos.open("webrtc", self._deliver, trace)
        self._deadline_s = deadline_s
        self._on_end = on_end
        self._servers = [RTCIceServer(server.url, server.username, server.credential) for server in ice_servers]
        self.connection = RTCPeerConnection(RTCConfiguration(self._servers))
        self._results: RTCDataChannel | None = None
        self._assembler = Assembler()
        self._encoded: deque[tuple[EncodedFrame, str]] = deque()
        self._news = asyncio.Event()
        self._connected = asyncio.Event()
        self._arrivals: dict[int, _Arrival] = {}
        self._count = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._receiver: RTCRtpReceiver | None = None
        self._reports: Reports
        self._ice: IceRestarts
        """Of the connection, once an offer was taken, as are the reports."""
        self.connection.on("track", self._on_track)
        self.connection.on("datachannel", self._on_channel)
        self.connection.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        """Take an offer; the answer, with all candidates of this side.

        Raises:
            BadInputError: The offer can't be read, or asks for what can't be done.
        """
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            for transceiver in self.connection.getTransceivers():
                transceiver.direction = "recvonly" if transceiver.kind == "video" else "inactive"
            if self._receiver is not None:
                await self.connection.setLocalDescription()
        except Exception as error:  # aiortc's parser raises whatever the text makes it stumble over
            detail = str(error) or type(error).__name__
            raise BadInputError(f"the offer can't be answered: {detail[:200]}; video must be H264 or VP8") from error
        if self._receiver is None:
            raise BadInputError("the offer sends no video: its direction must be sendonly or sendrecv")
        self._tasks = [asyncio.create_task(self._decode()), asyncio.create_task(self._watch())]
        return self.connection.localDescription.sdp

    def restarts(self, fragment: Fragment) -> bool:
        """Whether a fragment is of another ICE session than the one that was begun last."""
        return fragment.ufrag is not None and fragment.ufrag != self._ice.current.remote_username

    async def restart(self, fragment: Fragment) -> str:
        """Begin another ICE session beside the one that goes on, and change over to it; the fragment of this side.

        Raises:
            BadInputError: It lacks credentials, or a candidate can't be read.
        """
        if fragment.ufrag is None or fragment.pwd is None:
            raise BadInputError("another ICE session needs an a=ice-ufrag and an a=ice-pwd")
        fresh = await self._ice.begin(controlling=False)
        answer = write_fragment(
            fresh.local_username, fresh.local_password, [candidate.to_sdp() for candidate in fresh.local_candidates]
        )
        try:
            await self._ice.go_on(fragment)
        except (ValueError, IndexError, AssertionError):
            await self._ice.close()
            raise BadInputError("one of the candidates can't be read") from None
        return answer

    async def add_candidates(self, fragment: Fragment) -> None:
        """Take candidates that the peer has found since its offer.

        Raises:
            BadInputError: One can't be read.
        """
        for mid, line in fragment.candidates:
            try:
                candidate = candidate_from_sdp(line)
            except (ValueError, IndexError, AssertionError):
                raise BadInputError(f"{line[:80]!r} is no candidate") from None
            candidate.sdpMid = mid
            candidate.sdpMLineIndex = 0 if mid is None else None
            await self.connection.addIceCandidate(candidate)
        if fragment.complete:
            await self.connection.addIceCandidate(None)

    async def close(self) -> None:
        """End it. Safe to repeat."""
        self._videos.close(self.video)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._receiver is not None:
            await self._ice.close()
        await self.connection.close()
        self._encoded.clear()
        self._arrivals.clear()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind != "video":
            return
        transceiver = next(one for one in self.connection.getTransceivers() if one.receiver.track is track)
        self._receiver = transceiver.receiver
        self._reports = Reports(self._receiver)
        self._ice = IceRestarts(self._receiver.transport.transport, self._servers)
        # aiortc has no hook for encoded frames. Its own buffer holds each frame back until the next one begins, and its
        # decoder's queue has no bound; a test tells when these names change.
        setattr(self._receiver, "_RTCRtpReceiver__jitter_buffer", _Tap(self, transceiver, self._reports))  # noqa: B010 - mypy

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == RESULTS_CHANNEL:
            self._results = channel

    def _on_state(self) -> None:
        state = self.connection.connectionState
        if state == "connected":
            self._connected.set()
        elif state == "failed":
            self._ended(f"the connection failed: {self._why()}")
        elif state == "closed":
            self._ended("the peer has closed the connection")

    def _ended(self, reason: str) -> None:
        if not self.video.session.closed:
            self._videos.close(self.video)
            self._on_end(self, reason)

    def _why(self) -> str:
        """What ICE has tried, for whoever looks for the reason."""
        ice = self._receiver.transport.transport if self._receiver else None
        if ice is None or ice.state == "completed":
            return "ICE had found a way, which doesn't carry any more, or DTLS failed on it"
        here = ", ".join(f"{one.type} {one.ip}" for one in ice.iceGatherer.getLocalCandidates()) or "none"
        there = ", ".join(f"{one.type} {one.ip}" for one in ice.getRemoteCandidates()) or "none"
        return f"ICE found no way; candidates here: {here}; of the peer: {there}"

    def receive(self, frame: EncodedFrame, codec: str) -> None:
        """Take a frame that is complete; called for each in turn."""
        if len(self._encoded) >= _MOST_ENCODED:
            self._encoded.clear()
            self._assembler.resynchronize(perf_counter())
        self._encoded.append((frame, codec))
        self._news.set()

    @property
    def assembler(self) -> Assembler:
        """Puts its frames together."""
        return self._assembler

    async def _decode(self) -> None:
        decoders: dict[str, av.VideoCodecContext] = {}
        while True:
            while not self._encoded:
                self._news.clear()
                await self._news.wait()
            frame, codec = self._encoded.popleft()
            if codec not in decoders:
                decoders[codec] = cast("av.VideoCodecContext", av.CodecContext.create(codec.lower(), "r"))
            packet = av.Packet(frame.data)
            packet.pts = frame.rtp_timestamp
            try:
                pictures = await asyncio.to_thread(decoders[codec].decode, packet)
            except av.FFmpegError as error:
                _logger.debug("a frame can't be decoded: %s", error)
                self._assembler.resynchronize(perf_counter())
                continue
            for picture in pictures:
                self._put(frame, picture)

    def _put(self, frame: EncodedFrame, picture: av.VideoFrame) -> None:
        number = find_frame_mark(frame.data)
        if number is None:
            number = self._count
        self._count += 1
        if number not in self._arrivals:
            self._arrivals[number] = _Arrival(frame.rtp_timestamp, frame.complete_at_s, perf_counter())
            self.video.put(number, picture, frame.complete_at_s + self._deadline_s)

    def _deliver(self, outcome: Outcome) -> None:
        arrival = self._arrivals.pop(outcome.frame_id, None)
        if arrival is None or self._results is None or self._results.readyState != "open":
            return
        if self._results.bufferedAmount > _MOST_BUFFERED_BYTES:
            return  # the peer will ask itself where they are; it isn't reading
        if outcome.stages is not None:  # decoding the video is this side's time, not the link's
            decode_ms = (arrival.decoded_at_s - arrival.complete_at_s) * 1e3
            stages = outcome.stages
            outcome = outcome._replace(
                stages=stages._replace(
                    decode_ms=stages.decode_ms + decode_ms,
                    total_ms=(perf_counter() - arrival.complete_at_s) * 1e3,
                )
            )
        text = encode_result(outcome, arrival.rtp_timestamp)
        if len(text) <= _MAX_RESULT_BYTES:
            self._results.send(text.decode())

    async def _watch(self) -> None:
        """End it when it doesn't come about, or nothing comes any more."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connected.wait()
        except TimeoutError:
            self._ended(f"no connection within {CONNECT_S:.0f} s: {self._why()}")
            return
        last, since_s = -1, time.monotonic()
        while time.monotonic() - since_s < SILENT_S:
            # All sessions look in the same moment: what costs, where many pause, is the waking up.
            await asyncio.sleep(_LOOK_S - time.monotonic() % _LOOK_S)
            self._reports.look()
            received = await self._packets_received()
            if received != last:
                last, since_s = received, time.monotonic()
        self._ended(f"nothing came for {SILENT_S:.0f} s")

    async def _packets_received(self) -> int:
        assert self._receiver is not None  # noqa: S101 - `answer` has looked
        report = await self._receiver.getStats()
        return sum(getattr(entry, "packetsReceived", 0) for entry in report.values() if entry.type == "transport")


class _Tap:
    """Stands in for aiortc's jitter buffer: takes the packets, and gives it no frames to decode."""

    def __init__(self, peer: Peer, transceiver: RTCRtpTransceiver, reports: Reports) -> None:
        self._peer = peer
        self._transceiver = transceiver
        self._reports = reports
        self._codecs: dict[int, str] = {}

    def add(self, packet: Any) -> tuple[bool, None]:
        """Whether to ask for a keyframe, and no frame."""
        self._reports.received()
        if not self._codecs:
            self._codecs = {codec.payloadType or 0: codec.name for codec in self._transceiver._codecs}  # noqa: SLF001
        codec = self._codecs.get(packet.payload_type, "")
        assembler = self._peer.assembler
        for frame in assembler.add(packet, packet._data, codec, perf_counter()):  # noqa: SLF001 - aiortc's parsed payload
            self._peer.receive(frame, codec)
        wanted, assembler.keyframe_wanted = assembler.keyframe_wanted, False
        return wanted, None
