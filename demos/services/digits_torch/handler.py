"""Reads a handwritten digit, light on dark, with a small convolutional network of PyTorch."""

import cv2
import torch

from astraea.edge_server import Image


def predict(model: torch.nn.Module, image: Image) -> dict[str, float]:
    """Answer one request; `model` is the module that the .pt2 file holds, on the GPU if there is one."""
    pixels = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).mean(axis=2, dtype="float32") / 255
    device = next(model.parameters()).device
    scores = model(torch.from_numpy(pixels)[None, None].to(device)).softmax(dim=1)[0]
    return {"digit": int(scores.argmax()), "confidence": float(scores.max())}
