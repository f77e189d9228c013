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
from .events import (
    BrokerBack,
    BrokerLost,
    CandidatesChanged,
    Event,
    FrameAnswered,
    FrameDropped,
    TargetBack,
    TargetLost,
    TargetSwitched,
)
from .link import Link
from .policy import LOCAL, Decision, Policy
from .snapshot import Snapshot, TargetState
from .transports import HttpTransport, Reply, Transport

__all__ = [
    "LOCAL",
    "BrokerBack",
    "BrokerClient",
    "BrokerError",
    "BrokerLost",
    "Camera",
    "CameraError",
    "CandidatesChanged",
    "CorruptError",
    "Decision",
    "DeviceError",
    "Event",
    "FixedCandidates",
    "Frame",
    "FrameAnswered",
    "FrameDropped",
    "HttpTransport",
    "LateError",
    "Link",
    "LocalEngine",
    "OffloadClient",
    "Policy",
    "RefusedError",
    "Reply",
    "SimulationError",
    "Snapshot",
    "TargetBack",
    "TargetLost",
    "TargetState",
    "TargetSwitched",
    "Transport",
    "TransportError",
    "UnreachableError",
    "open_camera",
]
