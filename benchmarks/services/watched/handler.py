"""Finds things in an image, and tells what CPU time that took: what carrying and decoding it has added is the rest."""

import time
from pathlib import Path
from typing import Any

from astraea.edge_server import Image
from astraea.models import Detector, load_detector


def load(model: Path) -> Detector:
    """One thread an inference, so that the CPU time of the calling thread is all of it."""
    return load_detector(model, threads=1)


def predict(model: Detector, image: Image) -> dict[str, Any]:
    """Answer one request."""
    began_s = time.thread_time()
    detections = model.detect(image)
    return {"detections": detections, "detector_cpu_ms": (time.thread_time() - began_s) * 1e3}
