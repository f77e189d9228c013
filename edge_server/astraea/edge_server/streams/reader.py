"""Reading a video from its source, in a thread. Needs the extra `webrtc`, for PyAV."""

import errno
import logging
import threading
import time
from collections.abc import Callable

import av

_logger = logging.getLogger(__name__)

_OPEN_S, _READ_S = 10.0, 10.0
_PROTOCOLS = "file,http,https,rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto"
# No playlists (HLS, DASH, concat): what they name would be read without being asked for.
_FORMATS = "avi,flv,h264,hevc,ivf,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpegts,mpjpeg,rtsp,sdp"
_OPTIONS = {"protocol_whitelist": _PROTOCOLS, "format_whitelist": _FORMATS}
_HTTP_OPTIONS = {"max_redirects": "0"}  # the address that is redirected to wasn't asked for


class Reader(threading.Thread):
    """Reads one source to its end.

    Args:
        url: Of the source, which has been checked.
        on_picture: Takes each picture; called in this thread.
        on_end: Called once in this thread, with the reason.
    """

    def __init__(self, url: str, on_picture: Callable[[av.VideoFrame], None], on_end: Callable[[str], None]) -> None:
        super().__init__(name="video-reader", daemon=True)
        self._url = url
        self._on_picture = on_picture
        self._on_end = on_end
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let it end soon: at the next picture, or when the source has said nothing for as long as it may."""
        self._stopped.set()

    def run(self) -> None:
        """See threading.Thread."""
        try:
            self._read()
        except av.FFmpegError as error:
            self._on_end(f"the source can't be read: {error.strerror or error}")
        except Exception:
            _logger.exception("reading a video failed")
            self._on_end("reading the source failed")
        else:
            self._on_end("the source has ended")

    def _read(self) -> None:
        live = self._url.startswith("rtsp")
        if live:
            options = _OPTIONS | {"rtsp_transport": "tcp"}
        else:
            options = _OPTIONS | (_HTTP_OPTIONS if self._url.startswith("http") else {})
        with av.open(self._url, options=options, timeout=(_OPEN_S, _READ_S)) as container:
            if not container.streams.video:
                raise av.ArgumentError(errno.EINVAL, "it has no video")
            begin_s: float | None = None
            for picture in container.decode(video=0):
                if not live and picture.time is not None:  # as a camera would deliver it
                    begin_s = time.monotonic() - picture.time if begin_s is None else begin_s
                    self._stopped.wait(max(0.0, begin_s + picture.time - time.monotonic()))
                if self._stopped.is_set():
                    return
                self._on_picture(picture)
