"""Reads a handwritten digit, light on dark, with a support vector machine of scikit-learn."""

import cv2
from sklearn.pipeline import Pipeline

from astraea.edge_server import Image


def predict(model: Pipeline, image: Image) -> dict[str, int]:
    """Answer one request; `model` is the estimator that the .skops file holds."""
    pixels = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).mean(axis=2) / 255
    return {"digit": int(model.predict(pixels.reshape(1, 64))[0])}
