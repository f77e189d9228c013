"""For an app on a device: cameras, and a client that has every frame answered, on the device or at the edge."""

from .camera import Camera, Frame, open_camera
from .candidates import BrokerClient, FixedCandidates
from .client import OffloadClient
from .engine import LocalEngine
from .errors import (
    BrokerError,
    CameraError,
    CorruptError,
    DeviceError,
    LateError,
    RefusedError,
    SimulationError,
    TransportError,
    UnreachableError,
)
from .link import Link
from .policy import LOCAL, Decision, Policy
from .transport import HttpTransport, Reply, Transport

__all__ = [
    "LOCAL",
    "BrokerClient",
    "BrokerError",
    "Camera",
    "CameraError",
    "CorruptError",
    "Decision",
    "DeviceError",
    "FixedCandidates",
    "Frame",
    "HttpTransport",
    "LateError",
    "Link",
    "LocalEngine",
    "OffloadClient",
    "Policy",
    "RefusedError",
    "Reply",
    "SimulationError",
    "Transport",
    "TransportError",
    "UnreachableError",
    "open_camera",
]
