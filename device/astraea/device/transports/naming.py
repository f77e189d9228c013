"""The transports by the names that users give."""

from collections.abc import Callable
from typing import Literal, get_args

from ..errors import DeviceError
from .auto import AutoTransport
from .base import Credential, Transport
from .http import HttpTransport
from .switching import SwitchingTransport
from .webrtc import check_webrtc, open_webrtc
from .websocket import WebSocketTransport

TransportName = Literal["auto", "http", "websocket", "webrtc"]


def _video(url: str, credential: Credential) -> Transport:
    return open_webrtc(url, AutoTransport(url, credential), credential)


_BY_NAME: dict[str, Callable[[str, Credential], Transport]] = {
    "auto": SwitchingTransport,
    "http": HttpTransport,
    "websocket": WebSocketTransport,
    "webrtc": _video,
}


def transport_named(name: TransportName, credential: Credential) -> Callable[[str], Transport]:
    """What opens the way to an edge server's address.

    Args:
        name: the user's choice.
        credential: what authorises us there.

    Raises:
        DeviceError: there is none of that name.
        MissingExtraError: it needs a package that isn't installed.
    """
    if name not in _BY_NAME:
        raise DeviceError(f"there is no transport {name!r}; choose from {', '.join(get_args(TransportName))}")
    if name == "webrtc":
        check_webrtc()
    transport = _BY_NAME[name]
    return lambda url: transport(url, credential)
