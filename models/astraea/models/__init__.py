"""The detectors that devices and edge servers run, and where their models come from."""

from .errors import (
    CacheError,
    DarknetConfigError,
    DarknetWeightsError,
    DownloadError,
    ModelError,
    ModelFileError,
    UnknownModelError,
    ZooError,
)
from .loading import Detector, load_detector
from .plates import PlateRecognizer
from .yolo import YoloDetector
from .zoo import pull

__all__ = [
    "CacheError",
    "DarknetConfigError",
    "DarknetWeightsError",
    "Detector",
    "DownloadError",
    "ModelError",
    "ModelFileError",
    "PlateRecognizer",
    "UnknownModelError",
    "YoloDetector",
    "ZooError",
    "load_detector",
    "pull",
]
