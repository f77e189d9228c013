"""The ways to a remote target."""

from .auto import AutoTransport
from .base import Credential, PictureEncoder, Reply, Transport
from .http import HttpTransport
from .naming import TransportName, transport_named
from .websocket import WebSocketTransport

__all__ = [
    "AutoTransport",
    "Credential",
    "HttpTransport",
    "PictureEncoder",
    "Reply",
    "Transport",
    "TransportName",
    "WebSocketTransport",
    "transport_named",
]
