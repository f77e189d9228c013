"""Classifiers of images from ONNX files: ultralytics' exports for the task `classify`."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ModelFileError
from .heads import find_input_size
from .metadata import YoloMetadata
from .runtime import open_session


class ImageClassifier:
    """Says what an image shows.

    The image's shorter side is scaled to the network's input and the middle of the longer one taken, as in training; a
    class without a name is `class N`.

    Args:
        model: An ONNX file that ultralytics exported for the task `classify`: one output, [batch, classes], of
            probabilities.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        ModelFileError: The file does not load, or is not such a model.
    """

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        self.session = open_session(model, threads=threads)
        """The network itself, for those who want its tensors."""
        try:
            metadata = YoloMetadata.read(self.session.get_modelmeta().custom_metadata_map)
            self._height, self._width = find_input_size(self.session, metadata)
        except ModelFileError as error:
            raise ModelFileError(f"{model} is no classifier of images: {error}") from error
        shapes = [output.shape for output in self.session.get_outputs()]
        if len(shapes) != 1 or len(shapes[0]) != 2:
            raise ModelFileError(f"{model} is no classifier of images: it gives {shapes}, not [batch, classes]")
        self.names = metadata.names
        """What each class is called, as far as it has a name."""

    def classify(self, image: NDArray[np.uint8], *, top: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes of an image (RGB uint8 H x W x 3) and their probabilities, the likeliest first."""
        inputs = {self.session.get_inputs()[0].name: self._fit(image)}
        scores = self.session.run(None, inputs)[0][0]
        likeliest = np.argsort(-scores, kind="stable")[:top].tolist()
        return [(self.names.get(index, f"class {index}"), float(scores[index])) for index in likeliest]

    def _fit(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As the network takes it: float32 1 x 3 x height x width, 0 to 1."""
        height, width = image.shape[:2]
        scale = max(self._height / height, self._width / width)
        size = max(self._width, round(width * scale)), max(self._height, round(height * scale))
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        left, top = (size[0] - self._width) // 2, (size[1] - self._height) // 2
        middle = scaled[top : top + self._height, left : left + self._width]
        return np.asarray(cv2.dnn.blobFromImage(middle, 1 / 255), np.float32)
