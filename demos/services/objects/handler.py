"""Finds people, cars and 78 other kinds of things in an image, with a network of the YOLO family."""

from pathlib import Path

from astraea.edge_server import Image
from astraea.models import Detector, load_detector
from astraea.protocol import Detection


def load(model: Path) -> Detector:
    """Open the model; called once, when the instance starts."""
    return load_detector(model)


def predict(model: Detector, image: Image) -> list[Detection]:
    """Answer one request."""
    return model.detect(image)
