"""Reads a handwritten digit, light on dark, with a small convolutional network of Keras and TensorFlow."""

import cv2
import keras

from astraea.edge_server import Image


def predict(model: keras.Model, image: Image) -> dict[str, float]:
    """Answer one request; `model` is what the .keras file holds."""
    pixels = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).mean(axis=2, dtype="float32") / 255
    scores = model.predict_on_batch(pixels[None, :, :, None])[0]
    return {"digit": int(scores.argmax()), "confidence": float(scores.max())}
