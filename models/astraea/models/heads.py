"""What YOLO networks give, read into one form: those of our Darknet converter, and ultralytics' exports.

Ultralytics' networks have one output, either [batch, 4 + classes, N] with centre, size and class scores, or, where no
suppression of overlaps is needed, [batch, N, 6] with corners, score and class.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from .errors import ModelFileError
from .metadata import YoloMetadata


class Candidates(NamedTuple):
    """What a network says of the places it looked at, each with its best class."""

    boxes: NDArray[np.float32]
    """N x 4: x1, y1, x2, y2 in pixels of the network's input."""
    scores: NDArray[np.float32]
    """N, 0 to 1."""
    classes: NDArray[np.intp]
    """N."""

    def pick(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Candidates":
        """Some of them, in the order of the index."""
        return Candidates(self.boxes[index], self.scores[index], self.classes[index])


class Head(NamedTuple):
    """How a network's outputs are read."""

    decode: Callable[[Sequence[NDArray[np.float32]]], Candidates]
    """From the outputs for a single image."""
    overlaps: bool
    """Whether one thing gets several boxes, so that non-maximum suppression is due."""


def find_head(session: ort.InferenceSession, metadata: YoloMetadata) -> Head:
    """How to read the outputs of a network.

    Raises:
        ModelFileError: it is no detector of a kind known here.
    """
    if metadata.task != "detect":
        raise ModelFileError(f"it is for the task {metadata.task!r}, not 'detect'")
    if metadata.astraea_head is not None:
        return Head(_boxes_and_scores, overlaps=True)
    match [output.shape for output in session.get_outputs()]:
        case [[_, _, 6]]:
            return Head(_end_to_end, overlaps=False)
        case [[_, int(rows), _]] if rows > 4:
            return Head(_centres_and_scores, overlaps=True)
        case shapes:
            raise ModelFileError(f"it gives {shapes}, not [batch, 4 + classes, N] or [batch, N, 6] as detectors do")


def find_input_size(session: ort.InferenceSession, metadata: YoloMetadata) -> tuple[int, int]:
    """Height and width, in pixels, of the images to give to a network; those it was trained for if it takes any.

    Raises:
        ModelFileError: it does not take float32 images [batch, 3, height, width].
    """
    images = session.get_inputs()[0]
    match images.type, images.shape:
        case "tensor(float)", [_, 3, height, width]:
            fixed = isinstance(height, int) and isinstance(width, int)
            return (height, width) if fixed else (metadata.imgsz[0], metadata.imgsz[1])
        case kind, shape:
            raise ModelFileError(f"it takes {kind} {shape}, not tensor(float) [batch, 3, height, width]")


def _boxes_and_scores(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
    boxes, scores = outputs
    return _best_class(boxes[0], scores[0])


def _centres_and_scores(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
    rows = outputs[0][0].T
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    return _best_class(np.concatenate([centre - half, centre + half], axis=1), rows[:, 4:])


def _end_to_end(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
    rows = outputs[0][0]
    return Candidates(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp))


def _best_class(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Candidates:
    return Candidates(boxes, scores.max(axis=1), scores.argmax(axis=1))
