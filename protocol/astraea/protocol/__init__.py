"""The types and wire formats that the parts of Astraea share. It imports no other part."""

from .detection import Box, Corners, Detection, Detections, Point
from .errors import (
    AstraeaError,
    BrokerApiError,
    CertificateError,
    ListenError,
    MissingExtraError,
    NoAnswerError,
    ServiceSpecError,
    StreamError,
    TimingError,
)
from .frame_mark import FRAME_MARK, find_frame_mark, mark_frame
from .instance import Candidate, Candidates, Instance, Lease, Load, Location, Price, Reasons, RemoteTier, Shadow
from .problem import PROBLEM_MEDIA_TYPE, Problem
from .result import Result, SentImage, Tier
from .service import SPEC_FILE, Resources, Scale, ServiceSpec, load_service_spec
from .timing import ServerTiming

__all__ = [
    "FRAME_MARK",
    "PROBLEM_MEDIA_TYPE",
    "SPEC_FILE",
    "AstraeaError",
    "Box",
    "BrokerApiError",
    "Candidate",
    "Candidates",
    "CertificateError",
    "Corners",
    "Detection",
    "Detections",
    "Instance",
    "Lease",
    "ListenError",
    "Load",
    "Location",
    "MissingExtraError",
    "NoAnswerError",
    "Point",
    "Price",
    "Problem",
    "Reasons",
    "RemoteTier",
    "Resources",
    "Result",
    "Scale",
    "SentImage",
    "ServerTiming",
    "ServiceSpec",
    "ServiceSpecError",
    "Shadow",
    "StreamError",
    "Tier",
    "TimingError",
    "find_frame_mark",
    "load_service_spec",
    "mark_frame",
]
