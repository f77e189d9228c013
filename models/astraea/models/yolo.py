"""YOLO detectors from ONNX files: Darknet's, once converted, and ultralytics' exports."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Box, Detection

from .errors import ModelFileError
from .heads import Candidates, find_head, find_input_size
from .images import PLACEMENTS, Placement
from .metadata import YoloMetadata
from .nms import suppress
from .runtime import open_session


class YoloDetector:
    """Finds the things that a YOLO network knows.

    An image is fitted into the network's input as in training: with its proportions kept (letterbox) unless the file
    says otherwise. Each box has the class in which it scores best; a class without a name is `class N`.

    Args:
        model: An ONNX file from `convert_darknet`, or exported by ultralytics for the task `detect`.
        confidence: The least score of a detection, 0 to 1.
        iou: The overlap, 0 to 1, beyond which the lesser of two boxes of a class goes.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        ModelFileError: The file does not load, or is not such a model.
    """

    def __init__(self, model: Path, *, confidence: float = 0.25, iou: float = 0.45, threads: int | None = None) -> None:
        self._confidence = confidence
        self._iou = iou
        self.session = open_session(model, threads=threads)
        """The network itself, for those who want its tensors."""
        try:
            metadata = YoloMetadata.read(self.session.get_modelmeta().custom_metadata_map)
            self._head = find_head(self.session, metadata)
            self._height, self._width = find_input_size(self.session, metadata)
        except ModelFileError as error:
            raise ModelFileError(f"{model} is no YOLO detector: {error}") from error
        self.names = metadata.names
        """What each class is called, as far as it has a name."""
        self._place = PLACEMENTS[metadata.astraea_fit]
        self._input = self.session.get_inputs()[0].name

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Find things in an image (RGB uint8 H x W x 3): best first, boxes within the image."""
        height, width = image.shape[:2]
        placement, inputs = self.prepare(image)
        outputs = self.session.run(None, inputs)
        boxes, scores, classes = self._select(self._head.decode(outputs))
        boxes = np.clip(placement.to_image(boxes), 0, np.array([width, height] * 2, np.float32))
        return [
            Detection(label=self.names.get(index, f"class {index}"), score=min(score, 1.0), box=Box(*box))
            for box, score, index in zip(boxes.tolist(), scores.tolist(), classes.tolist(), strict=True)
        ]

    def prepare(self, image: NDArray[np.uint8]) -> tuple[Placement, dict[str, NDArray[np.float32]]]:
        """An image as `session` takes it, and the way back from the network's pixels to the image's."""
        height, width = image.shape[:2]
        placement = self._place(width, height, self._width, self._height)
        return placement, {self._input: placement.apply(image)}

    def _select(self, candidates: Candidates) -> Candidates:
        sure = candidates.pick(candidates.scores >= self._confidence)
        if self._head.overlaps:
            return sure.pick(suppress(*sure, iou=self._iou))
        return sure.pick(np.argsort(-sure.scores, kind="stable"))
