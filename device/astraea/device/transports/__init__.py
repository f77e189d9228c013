"""The ways to a remote target."""

from .auto import AutoTransport
from .base import Credential, Reply, Transport
from .http import HttpTransport
from .naming import TransportName, transport_named
from .websocket import WebSocketTransport

__all__ = [
    "AutoTransport",
    "Credential",
    "HttpTransport",
    "Reply",
    "Transport",
    "TransportName",
    "WebSocketTransport",
    "transport_named",
]
