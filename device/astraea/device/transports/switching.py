"""A stream or requests, and beside them a video while whoever decides wants one."""

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..codec import JPEG_MEDIA_TYPE, Payload, encode
from ..encoding import Encoding
from ..errors import MissingExtraError
from .auto import AutoTransport
from .base import Credential, Reply, Transport
from .webrtc import open_webrtc

if TYPE_CHECKING:
    from .webrtc.transport import WebRtcTransport

_log = logging.getLogger(__name__)

_LINGER_S = 20.0
"""A connection for video that isn't wanted any more may be again: opening one costs some kilobytes and round trips, as
much as it costs to keep for so long."""


class SwitchingTransport:
    """`AutoTransport`, and where the extra `webrtc` is installed a `WebRtcTransport` for frames encoded as a video.

    Args:
        url: the server's base address.
        credential: what authorises us, if the server wants to know.
    """

    def __init__(self, url: str, credential: Credential | None = None) -> None:
        self._url = url
        self._credential = credential or Credential()
        self._plain = AutoTransport(url, self._credential)
        self._video: WebRtcTransport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._wanted_at_s = 0.0

    @property
    def has_video(self) -> bool:
        """See VideoTransport."""
        return self._video is not None and self._video.is_video

    def want_video(self, wanted: bool) -> None:
        """See VideoTransport."""
        now_s = monotonic()
        if wanted:
            self._wanted_at_s = now_s
            if self._opening is None:
                self._opening = asyncio.get_running_loop().create_task(self._open())
            elif self._video is not None:
                self._video.begin()
        elif self._video is not None and now_s - self._wanted_at_s > _LINGER_S:
            self._video.end()

    def encode(self, image: NDArray[np.uint8], encoding: Encoding) -> Payload:
        """See PictureEncoder."""
        if encoding.video and self._video is not None:
            return self._video.encode(image, encoding)
        return Payload(encode(image, encoding), JPEG_MEDIA_TYPE)

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """See Transport.send."""
        way: Transport = self._plain if media_type == JPEG_MEDIA_TYPE else self._video or self._plain
        return await way.send(payload, media_type, deadline_ms=deadline_ms, traceparent=traceparent)

    async def probe(self, payload: bytes) -> Reply:
        """See Transport.probe."""
        return await self._plain.probe(payload)

    async def close(self) -> None:
        """See Transport.close."""
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        await (self._video or self._plain).close()

    async def _open(self) -> None:
        try:  # importing what it needs takes a second on a small board
            self._video = await asyncio.to_thread(
                open_webrtc, self._url, self._plain, self._credential, constant_quality=True
            )
        except (MissingExtraError, ImportError) as error:
            _log.info("frames could go as a video: %s", error)
        else:
            self._video.begin()
