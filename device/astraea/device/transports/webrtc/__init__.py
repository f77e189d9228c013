"""Frames as one video, over WebRTC: each costs what is new in it. Needs the extra `webrtc` (aiortc and PyAV).

`transport` is what a client uses; `connection` publishes by WHIP (RFC 9725), `encoder` compresses, `bitrate` says how
much the link bears.
"""

from ...errors import MissingExtraError
from ..base import Transport


def open_webrtc(url: str, fallback: Transport) -> Transport:
    """A way to an edge server's address that sends frames as a video, and goes the other way while there is no video.

    Raises:
        MissingExtraError: aiortc or PyAV isn't installed.
    """
    try:
        from .transport import WebRtcTransport  # noqa: PLC0415 - takes a third of a second, and may be missing
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"WebRTC needs the package {error.name!r}, which is not installed", hint="pip install 'astraea[webrtc]'"
        ) from None
    return WebRtcTransport(url, fallback)


__all__ = ["open_webrtc"]
