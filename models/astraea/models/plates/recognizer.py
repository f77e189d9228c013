"""Licence plates found, straightened and read: the two networks of the `plates` model behind one `detect`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Box, Detection, Point

from .ctc import Reading
from .detector import Plate, PlateDetector
from .reader import PlateReader

DETECTOR_FILE, READER_FILE, CHARACTERS_FILE = "detector.onnx", "reader.onnx", "characters.txt"

# On the photos of `benchmarks.plates` this finds and reads what the full size does; 640 takes half the time, and misses
# the plate that is farthest away.
LONG_SIDE_PX = 960


class PlateRecognizer:
    """Finds licence plates of any country and reads Chinese ones; safe to share between threads.

    A text's score is that of its least certain character. A plate whose text scores below `text_confidence` is reported
    without it; the default leaves out what has a character more likely wrong than right.

    Args:
        model: The folder of the zoo's `plates` model: `detector.onnx`, `reader.onnx`, `characters.txt`.
        long_side_px: A larger image is made smaller for the detector until its long side has this length; reading
            uses the full image.
        confidence: The least score of a plate, 0 to 1.
        text_confidence: The least score of a text, 0 to 1.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        ModelFileError: A file is missing, or is not the model that it should be.
    """

    def __init__(
        self,
        model: Path,
        *,
        long_side_px: int = LONG_SIDE_PX,
        confidence: float = 0.5,
        text_confidence: float = 0.5,
        threads: int | None = None,
    ) -> None:
        self._detector = PlateDetector(
            model / DETECTOR_FILE, long_side_px=long_side_px, confidence=confidence, threads=threads
        )
        self._reader = PlateReader(model / READER_FILE, model / CHARACTERS_FILE, threads=threads)
        self._text_confidence = text_confidence

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The plates of an image (RGB uint8 H x W x 3), the surest first."""
        plates = self._detector.detect(image)
        readings = self._reader.read(image, [plate.corners for plate in plates])
        height, width = image.shape[:2]
        return [
            _detection(plate, reading if reading.score >= self._text_confidence else None, width, height)
            for plate, reading in zip(plates, readings, strict=True)
        ]


def _detection(plate: Plate, reading: Reading | None, width: int, height: int) -> Detection:
    x1, y1, x2, y2 = np.clip(plate.box, 0, [width, height, width, height]).tolist()
    top_left, top_right, bottom_right, bottom_left = (Point(x, y) for x, y in plate.corners.tolist())
    return Detection(
        label="plate",
        score=min(1.0, plate.score),  # a softmax in float32 may end a rounding error above
        box=Box(x1, y1, x2, y2),
        corners=(top_left, top_right, bottom_right, bottom_left),
        text=reading.text if reading else None,
        text_score=min(1.0, reading.score) if reading else None,
    )
