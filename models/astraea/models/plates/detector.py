"""Finds plates and their corners."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from ..nms import suppress
from ..runtime import open_session
from .priors import decode_boxes, decode_corners, prior_boxes

_MEAN_BGR = np.array([104, 117, 123], np.float32).reshape(3, 1, 1)  # what the training subtracted
_MAX_PLATES = 50  # no scene has more to read; bounds the work that a strange image can cause
_IOU_LIMIT = 0.4
_OUTPUTS = ["loc", "conf", "landms"]


class Plate(NamedTuple):
    """A plate in an image, in its pixels."""

    score: float
    box: NDArray[np.float32]
    """x1, y1, x2, y2."""
    corners: NDArray[np.float32]
    """4 x 2: top left, top right, bottom right, bottom left; a plate cut off by the edge has some outside."""


class PlateDetector:
    """A network that finds plates and their corners.

    Args:
        model: The ONNX file: `image` float32 B x 3 x H x W in, `loc`, `conf` and `landms` out.
        long_side_px: A larger image is made smaller until its long side has this length.
        confidence: The least score of a plate, 0 to 1.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        ModelFileError: The file is missing or no such model.
    """

    def __init__(self, model: Path, *, long_side_px: int, confidence: float, threads: int | None = None) -> None:
        self._session = open_session(model, threads=threads)
        self._long_side_px = long_side_px
        self._confidence = confidence
        if {output.name for output in self._session.get_outputs()} != set(_OUTPUTS):
            raise ModelFileError(f"{model} is no plate detector: its outputs are not {', '.join(_OUTPUTS)}")

    def detect(self, image: NDArray[np.uint8]) -> list[Plate]:
        """The plates of an image (RGB uint8 H x W x 3), the surest first."""
        small = self._shrink(image)
        blob = np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)) - _MEAN_BGR
        offsets, scores, corner_offsets = (output[0] for output in self._session.run(_OUTPUTS, {"image": blob[None]}))
        sure = np.flatnonzero(scores[:, 1] >= self._confidence)
        scores, priors = scores[sure, 1], prior_boxes(*small.shape[:2])[sure]
        scale = np.array(image.shape[1::-1], np.float32) / small.shape[1::-1]
        boxes = decode_boxes(offsets[sure], priors) * np.tile(scale, 2)
        corners = decode_corners(corner_offsets[sure], priors) * scale
        kept = suppress(boxes, scores, np.zeros(len(sure), np.intp), iou=_IOU_LIMIT)[:_MAX_PLATES]
        return [Plate(float(scores[index]), boxes[index], corners[index]) for index in kept]

    def _shrink(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        scale = self._long_side_px / max(height, width)
        if scale >= 1:
            return image
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
