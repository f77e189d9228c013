"""The ways to a remote target."""

from .auto import AutoTransport
from .base import Credential, PictureEncoder, Reply, Transport, VideoTransport
from .http import HttpTransport
from .naming import TransportName, transport_named
from .switching import SwitchingTransport
from .websocket import WebSocketTransport

__all__ = [
    "AutoTransport",
    "Credential",
    "HttpTransport",
    "PictureEncoder",
    "Reply",
    "SwitchingTransport",
    "Transport",
    "TransportName",
    "VideoTransport",
    "WebSocketTransport",
    "transport_named",
]
