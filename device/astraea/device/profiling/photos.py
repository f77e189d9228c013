"""The images that a profile is measured on, and what is in them where somebody has labelled that."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Box, Detection

from ..camera.files import IMAGE_SUFFIXES
from ..encoding import Size
from ..errors import ProfileError

_MOST_LABEL_BYTES = 2**20
_LABELS_HINT = "a label is a line `class centre-x centre-y width height`, the last four as fractions of the image"


class Photo(NamedTuple):
    """One image."""

    image: NDArray[np.uint8]
    """RGB uint8 H x W x 3."""
    truth: tuple[Detection, ...] | None
    """What is in it; None where nobody has said."""


def read_photos(images: Path, labels: Path | None, names: Path | None, *, most: int) -> list[Photo]:
    """Read a folder's images in the order of their names.

    Args:
        images: the folder.
        labels: a folder with a YOLO label file of the same name for each image; without, truth is None.
        names: a text file with the classes' names, one a line; without, a class is named `class N`.
        most: how many images to read.

    Raises:
        ProfileError: there is no image, one can't be read, or a label is missing or wrong.
    """
    paths = sorted(path for path in images.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)[:most]
    if not paths:
        raise ProfileError(f"there is no image in {images}", hint=f"files ending in {', '.join(IMAGE_SUFFIXES)}")
    if labels is None:
        return [Photo(_read(path), None) for path in paths]
    known = names.read_text(encoding="utf-8").splitlines() if names else []
    return [_labelled(path, labels / f"{path.stem}.txt", known) for path in paths]


def median_size(photos: Sequence[Photo]) -> Size:
    """Of the images."""
    ordered = sorted((Size(*photo.image.shape[1::-1]) for photo in photos), key=lambda size: size.pixels)
    return ordered[len(ordered) // 2]


def _read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ProfileError(f"{path} is no image that can be read")
    return np.asarray(image, np.uint8)


def _labelled(path: Path, label: Path, names: Sequence[str]) -> Photo:
    image = _read(path)
    if not label.is_file():
        raise ProfileError(
            f"{path.name} has no labels: there is no {label}", hint="an image of nothing has an empty file"
        )
    with label.open(encoding="utf-8") as file:
        lines = file.read(_MOST_LABEL_BYTES).splitlines()
    size = Size(*image.shape[1::-1])
    return Photo(image, tuple(_thing(label, number, line, size, names) for number, line in enumerate(lines, 1) if line))


def _thing(label: Path, number: int, line: str, size: Size, names: Sequence[str]) -> Detection:
    try:
        kind, *place = line.split()
        index, (x, y, width, height) = int(kind), map(float, place)
    except ValueError:
        raise ProfileError(f"{label}, line {number}: {line[:80]!r} is no label", hint=_LABELS_HINT) from None
    if not all(0 <= value <= 1 for value in (x, y, width, height)):
        raise ProfileError(f"{label}, line {number}: a place in {line[:80]!r} is not in 0 to 1", hint=_LABELS_HINT)
    across, down = size
    box = Box((x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down)
    return Detection(label=names[index] if 0 <= index < len(names) else f"class {index}", score=1.0, box=box)
