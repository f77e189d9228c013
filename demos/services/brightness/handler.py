"""Says how bright an image is: a handler needs no model file, `predict` gets None for it."""

import cv2

from astraea.edge_server import Image

_DARK = 0.2  # a street at night, of which a camera's exposure makes little


def predict(_: None, image: Image) -> dict[str, float | bool]:
    """The mean luma of the pixels, from 0 (black) to 1 (white)."""
    brightness = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()) / 255
    return {"brightness": brightness, "dark": brightness < _DARK}
