"""`astraea profile`: what each rung of the encoding ladder costs and is worth, measured for one service and device."""

from .accuracy import mean_average_precision
from .ladders import DEFAULT_QUALITIES, DEFAULT_SIDES, ladder
from .measure import Measured, Profiler
from .photos import Photo, read_photos

__all__ = [
    "DEFAULT_QUALITIES",
    "DEFAULT_SIDES",
    "Measured",
    "Photo",
    "Profiler",
    "ladder",
    "mean_average_precision",
    "read_photos",
]
