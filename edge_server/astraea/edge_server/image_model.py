"""A service without a handler whose model tells what to do with an image: a detector, or a classifier."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from astraea.models import Detector, ImageClassifier, YoloDetector, load_detector
from astraea.models.plates import DETECTOR_FILE
from astraea.protocol import Detection
from astraea.protocol.answers import Answers, answers_of
from astraea.protocol.model_format import Format, model_format

from .handler import Handler
from .inputs import Image, input_of
from .runtimes import Model
from .runtimes.onnx import model_of


class Classification(BaseModel):
    """A class that an image may be of."""

    label: str
    score: float
    """Its probability, 0 to 1."""


class Classifications(BaseModel):
    """What a classifier answers: the likeliest classes, the likeliest first."""

    classes: list[Classification]


def plate_reader(path: Path) -> tuple[Handler, Any] | None:
    """What stands for the handler of the zoo's plate reader, which is two networks, and the model; None for others."""
    return (_handler(path, Answers.DETECTIONS), load_detector(path)) if (path / DETECTOR_FILE).is_file() else None


def image_handler(path: Path, opened: Model) -> tuple[Handler, Model] | None:
    """What stands for the handler of a model that takes images, and the model as that uses it.

    Args:
        path: the model's.
        opened: it, as a runtime has opened it.

    Returns:
        None if the file doesn't tell what the model does.

    Raises:
        ModelFileError: it promises a detector or a classifier, and is none.
    """
    found = model_format(path)
    metadata = opened.native.get_modelmeta().custom_metadata_map if found is Format.ONNX else {}
    answers = answers_of(found, metadata)
    if answers is Answers.TENSORS:
        return None
    if not isinstance(opened.native, YoloDetector):
        native = ImageClassifier(path) if answers is Answers.CLASSES else YoloDetector(path)
        opened = model_of(native.session, native)
    return _handler(path, answers), opened


def _handler(path: Path, answers: Answers) -> Handler:
    takes = input_of(Image)
    assert takes is not None  # noqa: S101 - it is the first of those that stand for themselves
    if answers is Answers.CLASSES:
        return Handler(path, _classify, None, takes, Classifications)
    return Handler(path, _detect, None, takes, list[Detection])


def _detect(model: Detector, image: NDArray[np.uint8]) -> list[Detection]:
    return model.detect(image)


def _classify(model: ImageClassifier, image: NDArray[np.uint8]) -> Classifications:
    found = model.classify(image)
    return Classifications(classes=[Classification(label=label, score=score) for label, score in found])
