"""Reads the licence plates in an image."""

from pathlib import Path

from astraea.edge_server import Image
from astraea.models import PlateRecognizer
from astraea.protocol import Detection


def load(model: Path) -> PlateRecognizer:
    """Open the model; called once, when the instance starts."""
    return PlateRecognizer(model)


def predict(model: PlateRecognizer, image: Image) -> list[Detection]:
    """Answer one request."""
    return model.detect(image)
