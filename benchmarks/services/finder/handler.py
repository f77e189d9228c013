"""Finds plates at 320 x 320, and tells what CPU time that took: what any server around it has added is the rest."""

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from astraea.models.plates.detector import PlateDetector
from astraea.models.plates.recognizer import DETECTOR_FILE


def load(model: Path) -> PlateDetector:
    """One thread an inference, so that the CPU time of the calling thread is all of it."""
    return PlateDetector(model / DETECTOR_FILE, long_side_px=320, confidence=0.5, threads=1)


def predict(model: PlateDetector, body: bytes) -> dict[str, Any]:
    """Answer one request."""
    began_s = time.thread_time()
    image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR_RGB)
    plates = model.detect(np.asarray(image, np.uint8))
    boxes = [{"score": plate.score, "box": plate.box.tolist()} for plate in plates]
    return {"plates": boxes, "detector_cpu_ms": (time.thread_time() - began_s) * 1e3}
