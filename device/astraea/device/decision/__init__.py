"""The decision: what is measured, what follows for the next frame, what else to measure. All of it is pure."""

from .estimates import Estimate
from .gates import ConfidenceGate, MotionGate
from .knowledge import LOCAL
from .ladder import Ladder
from .link import Link
from .objective import Aim, Objective
from .policy import Decision, Policy
from .probing import Probe

__all__ = [
    "LOCAL",
    "Aim",
    "ConfidenceGate",
    "Decision",
    "Estimate",
    "Ladder",
    "Link",
    "MotionGate",
    "Objective",
    "Policy",
    "Probe",
]
