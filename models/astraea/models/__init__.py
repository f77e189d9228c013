"""The detectors that devices and edge servers run, and where their models come from."""

from typing import TYPE_CHECKING, Any

from .classifier import ImageClassifier
from .errors import (
    CacheError,
    DarknetConfigError,
    DarknetWeightsError,
    DownloadError,
    ModelError,
    ModelFileError,
    PhotoError,
    UnknownModelError,
    ZooError,
)
from .loading import Detector, load_detector
from .plates import PlateRecognizer
from .yolo import YoloDetector
from .zoo import pull

if TYPE_CHECKING:
    from .darknet import convert_darknet

__all__ = [
    "CacheError",
    "DarknetConfigError",
    "DarknetWeightsError",
    "Detector",
    "DownloadError",
    "ImageClassifier",
    "ModelError",
    "ModelFileError",
    "PhotoError",
    "PlateRecognizer",
    "UnknownModelError",
    "YoloDetector",
    "ZooError",
    "convert_darknet",
    "load_detector",
    "pull",
]


def __getattr__(name: str) -> Any:
    """Import the converter when it is asked for: it brings onnx, 0.2 s that running a model need not wait for."""
    if name == "convert_darknet":
        from .darknet import convert_darknet  # noqa: PLC0415 - see above

        return convert_darknet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
