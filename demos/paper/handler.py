"""The experiment's service: YOLOv3 on an image, or in its place the time that a GPU has been published to take.

`PAPER_EDGE_MS` in the environment is that time; without it, the network runs.
"""

import os
import threading
import time
from pathlib import Path

from astraea.edge_server import Image
from astraea.models import Detector, load_detector
from astraea.protocol import Detection

_PUBLISHED_MS = float(os.environ.get("PAPER_EDGE_MS", "0"))
_gpu = threading.Lock()  # there is one, and it does one frame at a time


def load(model: Path) -> Detector | None:
    """The network, where it is to run."""
    return None if _PUBLISHED_MS else load_detector(model)


def predict(model: Detector | None, image: Image) -> list[Detection]:
    """Answer one frame, which has really been decoded in either case."""
    if model is not None:
        return model.detect(image)
    with _gpu:
        time.sleep(_PUBLISHED_MS / 1000)
    return []
