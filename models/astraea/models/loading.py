"""From a name or a path to a detector."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Detection
from astraea.protocol.model_format import ONNX_FILE

from .catalogue import MODELS
from .errors import UnknownModelError
from .plates import DETECTOR_FILE, PlateRecognizer
from .yolo import YoloDetector
from .zoo import find_model, pull


class Detector(Protocol):
    """Anything that finds things in an image."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """What is in an image (RGB uint8 H x W x 3), the surest first."""
        ...


def load_detector(source: str | Path, *, threads: int | None = None) -> Detector:
    """The detector that a name or a path stands for; a zoo model is pulled first if need be.

    Args:
        source: A zoo model (`plates`, `zoo:plates`), an ONNX file, or a folder as `pull` returns it. A bare name is
            looked for in the zoo first: write `./plates` for a folder of that name.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        UnknownModelError: There is neither a zoo model nor a file of this name.
        ModelError: The model cannot be had, or does not load.
    """
    path = locate(source)
    if (path / DETECTOR_FILE).exists():
        return PlateRecognizer(path, threads=threads)
    return YoloDetector(path / ONNX_FILE if path.is_dir() else path, threads=threads)


def locate(source: str | Path) -> Path:
    """The file or folder that a name or a path stands for; for the errors see `load_detector`."""
    if isinstance(source, str) and (source.startswith("zoo:") or source in {model.name for model in MODELS}):
        return pull(source)
    path = Path(source)
    if path.exists():
        return path
    if isinstance(source, str):
        find_model(source)  # says which names come close
    raise UnknownModelError(f"there is no model file or folder {path}")
