"""A transport whose frames are one video, with another one beside it for when there is none."""

import asyncio
import logging
import threading
from collections import deque
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from astraea.protocol import ServerTiming, find_frame_mark, mark_frame

from ...codec import JPEG_MEDIA_TYPE, Payload, encode, scaled
from ...encoding import Encoding
from ...errors import CorruptError, TransportError, UnreachableError
from ..base import Credential, Reply, Transport, refusal
from .bitrate import BitrateController
from .connection import Publication
from .encoder import H264Encoder

_log = logging.getLogger(__name__)

VIDEO_MEDIA_TYPE = "video/h264"
_RETRY_S = 1.0
_RETRY_MOST_S = 30.0
_TICK_S = 0.25
_SILENT_S, _SILENT_MOST_S = 1.0, 30.0
"""What answers nothing for so long, and the time that it computes, may have lost its address: another connection is
made beside it. If that one gets no answer either, the server is slow, and is given twice the time."""
_MOST_WAITING = 64
_PACE_FRAMES = 16
_SLOWEST_FPS, _USUAL_FPS, _FASTEST_FPS = 1.0, 15.0, 60.0


class _Encoded(NamedTuple):
    number: int
    data: bytes
    at_s: float


class WebRtcTransport:
    """Frames as H.264 over WebRTC; the other way while no connection has come about, and for probes.

    Args:
        url: of the edge server.
        fallback: the other way to it.
        credential: what authorises us, if the server wants to know.
        constant_quality: whether frames are encoded alike whatever `bitrate` says, by whoever sends no more of them
            than the link carries.

    Attributes:
        bitrate: what the video may send.
        failure: why there is no connection now; None while there is one, or none was tried yet.
    """

    def __init__(
        self, url: str, fallback: Transport, credential: Credential | None = None, *, constant_quality: bool = False
    ) -> None:
        self.bitrate = BitrateController()
        self.failure: str | None = None
        self._url = url.rstrip("/")
        self._fallback = fallback
        self._credential = credential or Credential()
        self._publication: Publication | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        """Over the four below: frames are encoded in the order of their numbers, and sent in it."""
        self._encoder = H264Encoder(constant_quality=constant_quality)
        self._keyframe_wanted = True
        self._number = 0
        self._encoded: deque[_Encoded] = deque()
        self._encoded_at: deque[float] = deque(maxlen=_PACE_FRAMES)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._owing_since_s: float | None = None
        """When the first frame was sent after the last answer."""
        self._patience_s = _SILENT_S

    @property
    def is_video(self) -> bool:
        """Whether frames go as video now."""
        return self._publication is not None and self._publication.is_open

    def encode(self, image: NDArray[np.uint8], encoding: Encoding) -> Payload:
        """The next frame of the video; a JPEG while there is no connection. Any thread may call it.

        A frame that is encoded and not sent goes out with the next that is: those after it refer to it.
        """
        if not self.is_video:
            return Payload(encode(image, encoding), JPEG_MEDIA_TYPE)
        picture = scaled(image, encoding)
        with self._lock:
            at_s = monotonic()
            self._encoded_at.append(at_s)
            wanted, self._keyframe_wanted = self._keyframe_wanted, False
            encoded = self._encoder.encode(
                picture, bits_per_frame=self.bitrate.target_bps / self._fps(), keyframe=wanted
            )
            data = mark_frame(encoded, self._number)
            self._encoded.append(_Encoded(self._number, data, at_s))
            self._number += 1
            return Payload(data, VIDEO_MEDIA_TYPE, self._encoder.keyframe)

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """See Transport.send."""
        self.begin()
        if media_type != VIDEO_MEDIA_TYPE:
            return await self._fallback.send(payload, media_type, deadline_ms=deadline_ms, traceparent=traceparent)
        number = find_frame_mark(payload)
        publication = self._publication
        if number is None or publication is None or not publication.is_open:
            raise UnreachableError(f"{self._url}: the video's connection has ended: {self.failure}")
        if len(self._waiting) >= _MOST_WAITING:
            raise UnreachableError(f"{self._url}: {_MOST_WAITING} frames of the video are not answered")
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        start = perf_counter()
        self._owing_since_s = self._owing_since_s or monotonic()
        self._send_until(number, publication)
        try:
            result = await future
        except asyncio.CancelledError:
            self.bitrate.late(monotonic())
            raise
        finally:
            self._waiting.pop(number, None)
        reply = self._read(result, publication, (perf_counter() - start) * 1000)
        self.bitrate.answered(len(payload), reply.network_ms, monotonic())
        return reply

    async def probe(self, payload: bytes) -> Reply:
        """See Transport.probe."""
        self.begin()
        return await self._fallback.probe(payload)

    def begin(self) -> None:
        """Have a connection, and keep it; there must be an event loop. The first frame would begin it, too."""
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._keep_open())

    def end(self) -> None:
        """Do without a connection until one is begun again."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
        publication, self._publication = self._publication, None
        self._fail_waiting("the video has ended")
        self._let_go(publication)

    async def close(self) -> None:
        """See Transport.close."""
        keeping = self._keeping
        self.end()
        if keeping is not None:
            with suppress(asyncio.CancelledError):
                await keeping
        await asyncio.gather(*self._closing)
        await self._fallback.close()

    def _fps(self) -> float:
        """How many frames a second have been encoded lately; a guess until there were enough to tell."""
        times = self._encoded_at
        if len(times) < _PACE_FRAMES or times[-1] <= times[0]:
            return _USUAL_FPS
        return min(max((len(times) - 1) / (times[-1] - times[0]), _SLOWEST_FPS), _FASTEST_FPS)

    def _send_until(self, number: int, publication: Publication) -> None:
        while self._encoded and self._encoded[0].number <= number:
            one = self._encoded.popleft()
            publication.send(one.data, one.at_s)

    def _read(self, result: dict[str, Any], publication: Publication, elapsed_ms: float) -> Reply:
        if "problem" in result:
            raise refusal(self._url, int(result["status"]), to_json(result["problem"]))
        try:
            server = ServerTiming.model_validate(result["timing"])
            body = to_json(result["result"])
        except (KeyError, ValueError) as error:
            raise CorruptError(f"{self._url} sent a result that is none: {str(error).splitlines()[0]}") from None
        self._patience_s = _SILENT_S + server.total_ms / 1000
        return Reply(body, server, elapsed_ms, publication.instance, publication.revision)

    def _heard(self, text: str) -> None:
        self._owing_since_s = None
        try:
            result = from_json(text)
            future = self._waiting.get(result["frame_id"])
        except (ValueError, TypeError, KeyError):
            _log.warning("%s sent what is no result: %.80r", self._url, text)
            return
        if future is not None and not future.done():
            future.set_result(result)

    def _want_keyframe(self) -> None:
        self._keyframe_wanted = True

    async def _keep_open(self) -> None:
        retry_s = _RETRY_S
        while True:
            if self.is_video and not self._is_silent():
                retry_s = _RETRY_S
                await asyncio.sleep(_TICK_S)
                continue
            try:
                await self._replace()
            except TransportError as error:
                if self.failure is None:
                    _log.warning("no video: %s; frames go the other way", error)
                self.failure = str(error)
                await asyncio.sleep(retry_s)
                retry_s = _RETRY_S if self.is_video else min(2 * retry_s, _RETRY_MOST_S)

    def _is_silent(self) -> bool:
        return self._owing_since_s is not None and monotonic() - self._owing_since_s > self._patience_s

    async def _replace(self) -> None:
        """Open a connection, and only then let go of the one before."""
        fresh = Publication(self._url, self._credential, self._heard, self._want_keyframe)
        try:
            await fresh.open()
        except BaseException:
            self._let_go(fresh)
            raise
        with self._lock:  # nothing that was encoded for the one before means anything to it
            self._encoded.clear()
            self._keyframe_wanted = True
            before, self._publication = self._publication, fresh
        if self._is_silent():
            self._patience_s = min(2 * self._patience_s, _SILENT_MOST_S)
        self.failure = self._owing_since_s = None
        self._fail_waiting("another connection has taken its place")
        self._let_go(before)

    def _let_go(self, publication: Publication | None) -> None:
        """Close one that is of no use any more, without waiting for the server that is told so."""
        if publication is not None:
            task = asyncio.get_running_loop().create_task(publication.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _fail_waiting(self, reason: str) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(UnreachableError(f"{self._url}: {reason}"))
