"""`astraea profile`: what each rung of the encoding ladder costs and is worth, measured for one service and device."""

from .ladders import DEFAULT_QUALITIES, DEFAULT_SIDES, ladder
from .measure import Measured, Profiler

__all__ = [
    "DEFAULT_QUALITIES",
    "DEFAULT_SIDES",
    "Measured",
    "Profiler",
    "ladder",
]
