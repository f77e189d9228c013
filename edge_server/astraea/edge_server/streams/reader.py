"""Reading a video from its source, in a thread. Needs the extra `webrtc`, for PyAV."""

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import av
from av.container import InputContainer

from ..errors import RequestError
from .relay import Relay

_logger = logging.getLogger(__name__)

_OPEN_S, _READ_S = 10.0, 10.0
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, *(30.0,) * 16)
"""Before each attempt to reach a camera that has gone away; after the last, some 8 minutes later, it is given up."""
_PROTOCOLS = "file,http,https,rtsp,rtp,srtp,udp,tcp,tls,crypto"
# No playlists (HLS, DASH, concat): what they name would be read without being asked for.
_FORMATS = "avi,flv,h264,hevc,ivf,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpegts,mpjpeg,rtsp,sdp"
_OPTIONS = {"protocol_whitelist": _PROTOCOLS, "format_whitelist": _FORMATS}
_HTTP_OPTIONS = {"max_redirects": "0"}  # the address that is redirected to wasn't asked for


class State(StrEnum):
    """What a reader does."""

    CONNECTING = "connecting"
    READING = "reading"
    AWAY = "away"
    """The camera broke off; it is tried again."""


class Reader(threading.Thread):
    """Reads one source to its end; a camera has none, and is connected to again when it breaks off.

    Args:
        url: Of the source.
        check: Whether it may be read now; called in this thread before each connection, raises RequestError if not.
        on_picture: Takes each picture; called in this thread.
        on_end: Called once in this thread, with the reason.
    """

    def __init__(
        self,
        url: str,
        check: Callable[[str], None],
        on_picture: Callable[[av.VideoFrame], None],
        on_end: Callable[[str], None],
    ) -> None:
        super().__init__(name="video-reader", daemon=True)
        self.state = State.CONNECTING
        self.trouble: str | None = None
        """Why the camera is away."""
        self._url = url
        self._check = check
        self._on_picture = on_picture
        self._on_end = on_end
        self._stopped = threading.Event()
        self._live = False

    def stop(self) -> None:
        """Let it end soon: at the next picture, or when the source has said nothing for as long as it may."""
        self._stopped.set()

    def run(self) -> None:
        """See threading.Thread."""
        try:
            reason = self._read_on()
        except Exception:
            _logger.exception("reading a video failed")
            reason = "reading the source failed"
        self._on_end(reason)

    def _read_on(self) -> str:
        """Read until it really ends; why it did."""
        pauses = iter(_PAUSES_S)
        while True:
            self._live = False
            trouble = self._read_once()
            if self._live:  # it was there
                pauses = iter(_PAUSES_S)
                self.state = State.AWAY
            pause_s = next(pauses, None)
            if self.state is not State.AWAY or pause_s is None:
                return trouble
            self.trouble = trouble
            if self._stopped.wait(pause_s):
                return trouble

    def _read_once(self) -> str:
        try:
            self._check(self._url)
            self._read()
        except (OSError, av.FFmpegError) as error:
            return f"the source can't be read: {error.strerror or error}"
        except RequestError as error:
            return str(error)
        return "the source has ended"

    def _read(self) -> None:
        with self._opened() as container:
            if not container.streams.video:
                raise av.ArgumentError(errno.EINVAL, "it has no video")
            at_camera_pace = self._url.startswith("rtsp")
            begin_s: float | None = None
            for picture in container.decode(video=0):
                if not at_camera_pace and picture.time is not None:  # as a camera would deliver it
                    begin_s = time.monotonic() - picture.time if begin_s is None else begin_s
                    self._stopped.wait(max(0.0, begin_s + picture.time - time.monotonic()))
                if self._stopped.is_set():
                    return
                self._live = at_camera_pace and container.duration is None  # a recording has one
                self.state, self.trouble = State.READING, None
                self._on_picture(picture)

    @contextmanager
    def _opened(self) -> Iterator[InputContainer]:
        timeout = (_OPEN_S, _READ_S)
        if not self._url.startswith("rtsp"):
            options = _OPTIONS | (_HTTP_OPTIONS if self._url.startswith("http") else {})
            with av.open(self._url, options=options, timeout=timeout) as container:
                yield container
            return
        relay = Relay(self._url)
        try:
            with av.open(relay.url, options=_OPTIONS | {"rtsp_transport": "tcp"}, timeout=timeout) as container:
                yield container
        except av.FFmpegError:
            if relay.redirected:
                raise PermissionError(errno.EACCES, "it leads to another address, which nobody has allowed") from None
            raise
