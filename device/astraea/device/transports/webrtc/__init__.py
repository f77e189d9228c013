"""Frames as one video, over WebRTC: each costs what is new in it. Needs the extra `webrtc` (aiortc and PyAV).

`transport` is what a client uses; `connection` publishes by WHIP (RFC 9725), `encoder` compresses, `bitrate` says how
much the link bears.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...errors import MissingExtraError
from ..base import Credential, Transport

if TYPE_CHECKING:
    from .transport import WebRtcTransport


def check_webrtc() -> None:
    """Whether what WebRTC needs is there.

    Raises:
        MissingExtraError: aiortc or PyAV isn't installed.
    """
    for name in ("aiortc", "av"):
        if find_spec(name) is None:
            raise MissingExtraError(
                f"WebRTC needs the package {name!r}, which is not installed", hint="pip install 'astraea[webrtc]'"
            )


def open_webrtc(
    url: str, fallback: Transport, credential: Credential | None = None, *, constant_quality: bool = False
) -> "WebRtcTransport":
    """A way to an edge server's address that sends frames as a video, and goes the other way while there is no video.

    Args:
        url: the address.
        fallback: the other way.
        credential: what authorises us there.
        constant_quality: whether frames are to be as good as ever when the link is narrow, rather than as many.

    Raises:
        MissingExtraError: aiortc or PyAV isn't installed.
    """
    check_webrtc()
    from .transport import WebRtcTransport  # noqa: PLC0415 - takes a third of a second, and may be missing

    return WebRtcTransport(url, fallback, credential, constant_quality=constant_quality)


__all__ = ["check_webrtc", "open_webrtc"]
