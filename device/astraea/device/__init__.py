"""For an app on a device: cameras, and a client that has every frame answered, on the device or at the edge."""

from .camera import Camera, Frame, open_camera
from .client import OffloadClient
from .decision import LOCAL, ConfidenceGate, Decision, Link, MotionGate, Objective, Policy
from .encoding import Encoding, Size
from .engine import LocalEngine
from .errors import (
    BrokerError,
    CameraError,
    CorruptError,
    DeviceError,
    LateError,
    LocalModelError,
    ProfileError,
    RefusedError,
    SimulationError,
    TargetError,
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
from .metrics import MetricsEndpoint
from .profile import PowerModel, Price, Profile, Rung, read_profile
from .snapshot import Snapshot, TargetState
from .streaming import Stream
from .tracking import Tracker
from .transports import HttpTransport, Reply, Transport, WebSocketTransport

__all__ = [
    "LOCAL",
    "BrokerBack",
    "BrokerError",
    "BrokerLost",
    "Camera",
    "CameraError",
    "CandidatesChanged",
    "ConfidenceGate",
    "CorruptError",
    "Decision",
    "DeviceError",
    "Encoding",
    "Event",
    "Frame",
    "FrameAnswered",
    "FrameDropped",
    "HttpTransport",
    "LateError",
    "Link",
    "LocalEngine",
    "LocalModelError",
    "MetricsEndpoint",
    "MotionGate",
    "Objective",
    "OffloadClient",
    "Policy",
    "PowerModel",
    "Price",
    "Profile",
    "ProfileError",
    "RefusedError",
    "Reply",
    "Rung",
    "SimulationError",
    "Size",
    "Snapshot",
    "Stream",
    "TargetBack",
    "TargetError",
    "TargetLost",
    "TargetState",
    "TargetSwitched",
    "Tracker",
    "Transport",
    "TransportError",
    "UnreachableError",
    "WebSocketTransport",
    "open_camera",
    "read_profile",
]
