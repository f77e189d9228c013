"""The transports by the names that users give."""

from collections.abc import Callable
from typing import Literal, get_args

from ..errors import DeviceError
from .auto import AutoTransport
from .base import Credential, Transport
from .http import HttpTransport
from .websocket import WebSocketTransport

TransportName = Literal["auto", "http", "websocket"]

_BY_NAME: dict[str, Callable[[str, Credential], Transport]] = {
    "auto": AutoTransport,
    "http": HttpTransport,
    "websocket": WebSocketTransport,
}


def transport_named(name: TransportName, credential: Credential) -> Callable[[str], Transport]:
    """What opens the way to an edge server's address.

    Args:
        name: the user's choice.
        credential: what authorises us there.

    Raises:
        DeviceError: there is none of that name.
    """
    if name not in _BY_NAME:
        raise DeviceError(f"there is no transport {name!r}; choose from {', '.join(get_args(TransportName))}")
    transport = _BY_NAME[name]
    return lambda url: transport(url, credential)
