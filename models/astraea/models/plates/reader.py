"""Reads plates: straightens each by its corners, and spells all of an image's plates in one batch.

The network takes a plate of any width, and what it misreads depends on it. A reading that is unsure, or is no Chinese
plate's text (some characters are easily swallowed), is made once more at another width; the more credible one counts.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from ..runtime import open_session
from .ctc import Reading, greedy_decode

_HEIGHT = 32
_WIDTHS = (168, 152)
"""The two at which most real plates are read without a mistake; `python -m benchmarks.plates` counts them."""
_SURE = 0.9
"""Anything from 0.7 to 0.97 reads as many plates; here, a third of the plates are read twice."""
_CHINESE_PLATE = re.compile(r"[^0-9A-Z][A-Z][0-9A-Z]{4,5}[0-9A-Z学警挂港澳使领]")
"""A province, a city's letter, a serial of five, or six with new energy; official cars end otherwise (GA 36-2018)."""
_MAX_CHARACTERS_BYTES = 64 * 1024


class PlateReader:
    """A network that spells a straightened plate.

    Args:
        model: The ONNX file: `x` float32 B x 3 x 32 x W in, B x W/4 x classes out.
        characters: UTF-8 text with one character a line, for the classes from 1 on.
        threads: CPU threads of one inference; by default as many as there are cores.

    Raises:
        ModelFileError: A file is missing or no such model, or the two do not belong together.
    """

    def __init__(self, model: Path, characters: Path, *, threads: int | None = None) -> None:
        self._session = open_session(model, threads=threads)
        self._characters = _load_characters(characters)
        classes = self._session.get_outputs()[0].shape[-1]
        if classes != len(self._characters) + 1:
            raise ModelFileError(
                f"{model} tells {classes} classes apart, but {characters} has {len(self._characters)} characters and "
                "the blank makes one more"
            )

    def read(self, image: NDArray[np.uint8], plates: Sequence[NDArray[np.float32]]) -> list[Reading]:
        """What is written on each plate of an image (RGB uint8 H x W x 3).

        Args:
            image: The picture the plates are in.
            plates: The corners of each, 4 x 2 from the top left, clockwise, in pixels.
        """
        readings = self._read_at(_WIDTHS[0], image, plates)
        doubtful = [index for index, reading in enumerate(readings) if not _is_sure(reading)]
        again = self._read_at(_WIDTHS[1], image, [plates[index] for index in doubtful])
        for index, reading in zip(doubtful, again, strict=True):
            readings[index] = max(readings[index], reading, key=_credibility)
        return readings

    def _read_at(self, width: int, image: NDArray[np.uint8], plates: Sequence[NDArray[np.float32]]) -> list[Reading]:
        if not plates:
            return []
        batch = np.stack([straighten(image, corners, width) for corners in plates])
        blob = batch[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1  # the network knows BGR
        (probabilities,) = self._session.run(None, {"x": blob})
        return [greedy_decode(steps, self._characters) for steps in probabilities]


def _credibility(reading: Reading) -> tuple[bool, float]:
    return _CHINESE_PLATE.fullmatch(reading.text) is not None, reading.score


def _is_sure(reading: Reading) -> bool:
    well_formed, score = _credibility(reading)
    return well_formed and score >= _SURE


def straighten(image: NDArray[np.uint8], corners: NDArray[np.float32], width: int) -> NDArray[np.uint8]:
    """The plate between four corners, as if seen from the front: uint8 32 x `width` x 3.

    A plate larger than that is first made small by averaging, since a warp alone skips pixels; corners outside the
    image see its edge repeated.
    """
    cut, corners = _cut_out(image, corners)
    lengths = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    shrink = min(1.0, width / max(lengths[0], lengths[2], 1))
    size = (max(1, round(cut.shape[1] * shrink)), max(1, round(cut.shape[0] * shrink)))
    corners *= np.array([size[0] / cut.shape[1], size[1] / cut.shape[0]], np.float32)
    target = np.array([[0, 0], [width, 0], [width, _HEIGHT], [0, _HEIGHT]], np.float32)
    warp = cv2.getPerspectiveTransform(corners, target)
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.warpPerspective(small, warp, (width, _HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _cut_out(image: NDArray[np.uint8], corners: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The part of an image around a plate, and the corners within it."""
    bounds = np.array(image.shape[1::-1])
    first = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, bounds - 1)
    last = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, first + 1, bounds)
    return image[first[1] : last[1], first[0] : last[0]], (corners - first).astype(np.float32)


def _load_characters(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MAX_CHARACTERS_BYTES:
            raise ModelFileError(f"{path} is no list of characters: it has more than {_MAX_CHARACTERS_BYTES} bytes")
        return path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise ModelFileError(f"there is no list of characters {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} can't be read: {error}") from None
