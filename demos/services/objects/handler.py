"""Finds people, cars and 78 other kinds of things in an image, with a Darknet network of the YOLO family."""

from astraea.edge_server import Image
from astraea.models import YoloDetector
from astraea.protocol import Detection


def predict(model: YoloDetector, image: Image) -> list[Detection]:
    """Answer one request; a detector is made of a zoo model, or of NAME.cfg with NAME.weights beside it."""
    return model.detect(image)
