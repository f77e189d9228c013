"""OpenCV's own Darknet importer: the reference that our converter and detector are held against."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.models.darknet.cfg import read_cfg
from astraea.models.darknet.network import build_network
from astraea.models.heads import Candidates
from astraea.models.images import PLACEMENTS
from astraea.models.metadata import Fit
from astraea.models.nms import suppress
from astraea.protocol import Box, Detection


class OpenCvNetwork:
    """A Darknet network run by OpenCV, its heads' own thresholds and suppression switched off."""

    def __init__(self, cfg: Path, weights: Path) -> None:
        switched_off = "[yolo]\nthresh=0\nnms_threshold=0"
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as patched:
            patched.write(re.sub(r"^\s*\[yolo\]\s*$", switched_off, cfg.read_text(), flags=re.MULTILINE))
            patched.flush()
            self._net = cv2.dnn.readNetFromDarknet(patched.name, str(weights))
        self._heads = [name for name in self._net.getLayerNames() if name.startswith("yolo_")]

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the heads give for one image (1 x 3 x H x W): N x (5 + classes).

        A row has a box's centre and size as fractions of the input, the objectness, and objectness times the
        probability of each class. The heads' rows come one after the other, in the order of the cfg.
        """
        self._net.setInput(images)
        return np.concatenate([np.asarray(rows, np.float32) for rows in self._net.forward(self._heads)])


class OpenCvDetector:
    """`YoloDetector` with OpenCV's inference in it: the same before and after."""

    def __init__(
        self,
        cfg: Path,
        weights: Path,
        *,
        names: Sequence[str],
        fit: Fit,
        confidence: float = 0.25,
        iou: float = 0.45,
    ) -> None:
        self.network = OpenCvNetwork(cfg, weights)
        self._names = names
        self._input = build_network(read_cfg(cfg)).input
        self._place = PLACEMENTS[fit]
        self._confidence = confidence
        self._iou = iou

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Find things in an image (RGB uint8 H x W x 3), best first."""
        height, width = image.shape[:2]
        placement = self._place(width, height, self._input.width, self._input.height)
        rows = self.network(placement.apply(image))
        centre, half, scores = rows[:, :2], rows[:, 2:4] / 2, rows[:, 5:]
        boxes = np.concatenate([centre - half, centre + half], axis=1) * np.array(
            [self._input.width, self._input.height] * 2, np.float32
        )
        found = Candidates(boxes, scores.max(axis=1), scores.argmax(axis=1))
        found = found.pick(found.scores >= self._confidence)
        found = found.pick(suppress(*found, iou=self._iou))
        corners = np.clip(placement.to_image(found.boxes), 0, np.array([width, height] * 2, np.float32))
        return [
            Detection(label=self._names[index], score=score, box=Box(*box))
            for box, score, index in zip(corners.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
        ]
