"""The ways to a remote target."""

from .base import Reply, Transport
from .http import HttpTransport

__all__ = ["HttpTransport", "Reply", "Transport"]
