"""Licence plates: `PlateRecognizer` finds and reads them; its halves are here for those who have plates cut out."""

from .ctc import Reading
from .detector import Plate, PlateDetector
from .reader import PlateReader
from .recognizer import CHARACTERS_FILE, DETECTOR_FILE, LONG_SIDE_PX, READER_FILE, PlateRecognizer

__all__ = [
    "CHARACTERS_FILE",
    "DETECTOR_FILE",
    "LONG_SIDE_PX",
    "READER_FILE",
    "Plate",
    "PlateDetector",
    "PlateReader",
    "PlateRecognizer",
    "Reading",
]
