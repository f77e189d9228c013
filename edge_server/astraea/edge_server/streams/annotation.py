"""A picture with what was found drawn on it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from astraea.protocol import Detection, Detections

from .video import View

# RGB, the colours that the pages use as well.
_COLOURS = ((255, 77, 77), (61, 220, 132), (77, 159, 255), (255, 179, 0), (216, 107, 255), (0, 213, 213))
_FONT = cv2.FONT_HERSHEY_SIMPLEX  # ASCII only: other characters of a plate are drawn as question marks
_QUALITY = 80


def annotated_jpeg(view: View) -> bytes:
    """A JPEG of a picture with its detections; without any if its answer has none."""
    image = np.ascontiguousarray(view.picture.to_ndarray(format="bgr24"))
    try:
        found = Detections.model_validate_json(view.outcome.body).detections
    except ValidationError:  # a service that answers something else
        found = ()
    draw(image, found)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def draw(image: NDArray[np.uint8], detections: Sequence[Detection]) -> None:
    """Draw boxes with their labels on a BGR uint8 H x W x 3 image, in place."""
    unit = max(1, round(max(image.shape[:2]) / 400))
    labels = sorted({one.label for one in detections})
    for one in detections:
        colour = _COLOURS[labels.index(one.label) % len(_COLOURS)][::-1]
        x1, y1, x2, y2 = (round(value) for value in one.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, unit)
        text = f"{one.text or one.label} {one.score:.0%}"
        cv2.putText(image, text, (x1, max(y1 - 2 * unit, 10 * unit)), _FONT, 0.4 * unit, colour, unit, cv2.LINE_AA)
