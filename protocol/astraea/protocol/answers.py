"""What a model answers without a handler: as much as its file tells."""

from collections.abc import Mapping
from enum import StrEnum

from .model_format import Format

_DETECTORS = frozenset({Format.DARKNET, Format.DARKNET_WEIGHTS, Format.ZOO_DETECTOR, Format.ULTRALYTICS})


class Answers(StrEnum):
    """What goes in and comes out; the value is how a table says it."""

    DETECTIONS = "images in, detections out"
    CLASSES = "images in, classes out"
    TENSORS = "tensors in, tensors out"


def answers_of(found: Format, metadata: Mapping[str, str]) -> Answers:
    """What a model of this format is good for by itself.

    Args:
        found: the model's format.
        metadata: an ONNX file's. Exports of ultralytics have their `task` and the `names` of classes there:
            https://docs.ultralytics.com/modes/export/.
    """
    if found in _DETECTORS:
        return Answers.DETECTIONS
    if found is Format.ONNX and metadata.get("names"):
        by_task = {"detect": Answers.DETECTIONS, "classify": Answers.CLASSES}
        return by_task.get(metadata.get("task", ""), Answers.TENSORS)
    return Answers.TENSORS
