"""What YOLO networks give, read into one form: those of our Darknet converter, and ultralytics' exports.

Ultralytics' formats are those of its ONNX export (docs.ultralytics.com/modes/export): one output, either
[batch, 4 + classes, N] with centre, size and class scores, or, of networks that need no suppression of overlaps,
[batch, N, 6] with corners, score and class.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from .darknet import DARKNET_HEAD, HEAD_KEY
from .errors import ModelFileError

_T = TypeVar("_T")
_Side = Annotated[int, Field(ge=1, le=8192)]
_SIZE = TypeAdapter(tuple[_Side, _Side])
_NAMES = TypeAdapter(dict[int, str])
_DEFAULT_SIZE = (640, 640)  # ultralytics' own, for a model of any size that does not say which it was trained for
_MAX_METADATA_CHARS = 1 << 18


class Candidates(NamedTuple):
    """What a network says of the places it looked at, each with its best class."""

    boxes: NDArray[np.float32]
    """N x 4: x1, y1, x2, y2 in pixels of the network's input."""
    scores: NDArray[np.float32]
    """N, 0 to 1."""
    classes: NDArray[np.intp]
    """N."""


class Head(NamedTuple):
    """How a network's outputs are read."""

    decode: Callable[[Sequence[NDArray[np.float32]]], Candidates]
    """From the outputs for a single image."""
    overlaps: bool
    """Whether one thing gets several boxes, so that non-maximum suppression is due."""


def find_head(outputs: Sequence[ort.NodeArg], metadata: Mapping[str, str]) -> Head:
    """How to read the outputs of a network.

    Raises:
        ModelFileError: it is no detector of a kind known here.
    """
    task = metadata.get("task", "detect")
    if task != "detect":
        raise ModelFileError(f"the model's task is {task!r}, not 'detect'")
    if metadata.get(HEAD_KEY) == DARKNET_HEAD:
        return Head(_darknet, overlaps=True)
    shapes = [output.shape for output in outputs]
    if len(shapes) != 1 or len(shapes[0]) != 3:
        raise ModelFileError(f"the model gives {shapes}, no detector's [batch, 4 + classes, N] or [batch, N, 6]")
    _, rows, columns = shapes[0]
    if columns == 6:
        return Head(_end_to_end, overlaps=False)
    if not isinstance(rows, int) or rows < 5:
        raise ModelFileError(f"the model gives {shapes}, where [batch, 4 + classes, N] was expected")
    return Head(_ultralytics, overlaps=True)


def find_input_size(images: ort.NodeArg, metadata: Mapping[str, str]) -> tuple[int, int]:
    """Height and width of the images to give to a network, in pixels.

    Raises:
        ModelFileError: it does not take float32 images [batch, 3, height, width].
    """
    shape = images.shape
    if images.type != "tensor(float)" or len(shape) != 4 or shape[1] != 3:
        raise ModelFileError(f"the model takes {images.type} {shape}, not float32 [batch, 3, height, width]")
    if isinstance(shape[2], int) and isinstance(shape[3], int):
        return shape[2], shape[3]
    return _literal(metadata, "imgsz", _SIZE) or _DEFAULT_SIZE


def find_names(metadata: Mapping[str, str]) -> Mapping[int, str]:
    """The names of the classes, as far as the model has them.

    Raises:
        ModelFileError: it has something else in their place.
    """
    return _literal(metadata, "names", _NAMES) or {}


def _darknet(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
    boxes, scores = outputs
    return _best_class(boxes[0], scores[0])


def _ultralytics(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
    rows = outputs[0][0].T
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    return _best_class(np.concatenate([centre - half, centre + half], axis=1), rows[:, 4:])


def _end_to_end(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
    rows = outputs[0][0]
    return Candidates(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp))


def _best_class(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Candidates:
    return Candidates(boxes, scores.max(axis=1), scores.argmax(axis=1))


def _literal(metadata: Mapping[str, str], key: str, adapter: TypeAdapter[_T]) -> _T | None:
    """A value that was written as a Python literal, as ultralytics does."""
    text = metadata.get(key)
    if text is None:
        return None
    try:
        return adapter.validate_python(ast.literal_eval(text[:_MAX_METADATA_CHARS]))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:  # pydantic's errors are ValueErrors
        raise ModelFileError(f"the model's metadata have {key}={text[:40]!r}, which is not understood") from error
