"""YOLO detectors from ONNX files: Darknet's, once converted, and ultralytics' exports."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Box, Detection

from .errors import ModelFileError
from .heads import Candidates, find_head, find_input_size, find_names
from .images import Letterbox, to_blob
from .nms import suppress
from .runtime import open_session


class YoloDetector:
    """Finds the things that a YOLO network knows.

    An image is fitted into the network's input with its proportions kept (letterbox), and each box has the class in
    which it scores best.

    Args:
        model: An ONNX file from `convert_darknet`, or exported by ultralytics for the task `detect`, with NMS or not.
        confidence: The least score of a detection, 0 to 1.
        iou: The overlap, 0 to 1, beyond which the lesser of two boxes of a class goes.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        ModelFileError: The file does not load, or is not such a model.
    """

    def __init__(self, model: Path, *, confidence: float = 0.25, iou: float = 0.45, threads: int | None = None) -> None:
        self._confidence = confidence
        self._iou = iou
        self._session = open_session(model, threads=threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        images = self._session.get_inputs()[0]
        try:
            self._head = find_head(self._session.get_outputs(), metadata)
            self._height, self._width = find_input_size(images, metadata)
            self._names = find_names(metadata)
        except ModelFileError as error:
            raise ModelFileError(f"{model}: {error}") from error
        self._input = images.name

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Find things in an image (RGB uint8 H x W x 3): best first, boxes within the image."""
        height, width = image.shape[:2]
        placement = Letterbox.fit(width, height, self._width, self._height)
        outputs = self._session.run(None, {self._input: to_blob(placement.apply(image))})
        boxes, scores, classes = self._select(self._head.decode(outputs))
        boxes = np.clip(placement.to_image(boxes), 0, np.array([width, height] * 2, np.float32))
        return [
            Detection(label=self._names.get(index, f"class {index}"), score=min(score, 1.0), box=Box(*box))
            for box, score, index in zip(boxes.tolist(), scores.tolist(), classes.tolist(), strict=True)
        ]

    def _select(self, candidates: Candidates) -> Candidates:
        sure = candidates.scores >= self._confidence
        boxes, scores, classes = (values[sure] for values in candidates)
        if self._head.overlaps:
            kept = suppress(boxes, scores, classes, iou=self._iou)
        else:
            kept = np.argsort(-scores, kind="stable")
        return Candidates(boxes[kept], scores[kept], classes[kept])
