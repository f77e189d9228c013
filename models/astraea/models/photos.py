"""Images that a model is calibrated with or measured on, and what is in them where somebody has labelled that."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Box, Detection

from .errors import PhotoError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

_MOST_LABEL_BYTES = 2**20
_LABEL_HINT = "a label is a line `class centre-x centre-y width height`, the last four as fractions of the image"


class Photo(NamedTuple):
    """One image."""

    image: NDArray[np.uint8]
    """RGB uint8 H x W x 3."""
    truth: tuple[Detection, ...] | None
    """What is in it; None where nobody has said."""


def read_photos(images: Path, labels: Path | None, names: Sequence[str], *, most: int) -> list[Photo]:
    """Read a folder's images in the order of their names.

    Args:
        images: The folder.
        labels: A folder with a YOLO label file of the same name for each image; without, truth is None.
        names: The classes in the order of their numbers; one without a name is `class N`.
        most: How many images to read.

    Raises:
        PhotoError: There is no image, one can't be read, or a label is missing or wrong.
    """
    paths = sorted(path for path in images.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)[:most]
    if not paths:
        raise PhotoError(f"there is no image in {images}", hint=f"files ending in {', '.join(IMAGE_SUFFIXES)}")
    return [_photo(path, labels / f"{path.stem}.txt" if labels else None, names) for path in paths]


def _photo(path: Path, label: Path | None, names: Sequence[str]) -> Photo:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise PhotoError(f"{path} is no image that can be read", hint="remove it, or replace it with a good copy")
    height, width = image.shape[:2]
    truth = None if label is None else _read_label(label, width, height, names)
    return Photo(np.asarray(image, np.uint8), truth)


def _read_label(path: Path, width: int, height: int, names: Sequence[str]) -> tuple[Detection, ...]:
    if not path.is_file():
        raise PhotoError(f"there are no labels {path}", hint="an image of nothing has an empty file")
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = file.read(_MOST_LABEL_BYTES).splitlines()
    things = []
    for number, line in enumerate(lines, start=1):
        try:
            things.append(_thing(line, width, height, names))
        except ValueError:
            raise PhotoError(f"{path}, line {number}: {line[:80]!r} is no label", hint=_LABEL_HINT) from None
    return tuple(things)


def _thing(line: str, width: int, height: int, names: Sequence[str]) -> Detection:
    kind, *place = line.split()
    index, (x, y, across, down) = int(kind), map(float, place)
    if not all(0 <= value <= 1 for value in (x, y, across, down)) or index < 0:
        raise ValueError(line)
    box = Box((x - across / 2) * width, (y - down / 2) * height, (x + across / 2) * width, (y + down / 2) * height)
    return Detection(label=names[index] if index < len(names) else f"class {index}", score=1.0, box=box)
