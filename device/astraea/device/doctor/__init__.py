"""`astraea doctor`: is all there that a device needs, and if not, what would put it right?"""

from .finding import Finding
from .here import check_camera, check_model, check_power
from .there import check_broker, check_clock, check_edge, check_link

__all__ = [
    "Finding",
    "check_broker",
    "check_camera",
    "check_clock",
    "check_edge",
    "check_link",
    "check_model",
    "check_power",
]
