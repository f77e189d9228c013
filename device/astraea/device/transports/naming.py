"""The transports by the names that users give."""

from collections.abc import Callable
from typing import Literal, get_args

from ..errors import DeviceError
from .auto import AutoTransport
from .base import Transport
from .http import HttpTransport
from .websocket import WebSocketTransport

TransportName = Literal["auto", "http", "websocket"]

_BY_NAME: dict[str, Callable[[str], Transport]] = {
    "auto": AutoTransport,
    "http": HttpTransport,
    "websocket": WebSocketTransport,
}


def transport_named(name: TransportName) -> Callable[[str], Transport]:
    """What opens the way to an edge server's address.

    Raises:
        DeviceError: there is none of that name.
    """
    if name not in _BY_NAME:
        raise DeviceError(f"there is no transport {name!r}; choose from {', '.join(get_args(TransportName))}")
    return _BY_NAME[name]
