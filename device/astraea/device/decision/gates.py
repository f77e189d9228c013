"""Which frames need no answer, and which of the device's own answers need a second opinion. Pure.

A still scene has the answer of the frame before. A device with a small model of its own answers every other frame
itself, and sends only what that model finds hard.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Detection

_BLOCK_PX = 16
"""Of the squares that are compared: small beside what a detector finds, large enough for noise to cancel out."""
_NOISE_LEVELS = 6.0
"""Of 255. A block's mean moves by a few in a dark camera's noise and a codec's, by more when something moves in it."""
_SAME_IOU = 0.3
"""A box that overlaps less with every one before is a new thing: one that is as large moved by half of its side."""


class MotionGate:
    """Tells whether a frame shows anything new, compared with the last one that was answered.

    Brightness that changes everywhere alike, as with a camera's exposure, is no motion.

    Args:
        least_changed: the share of the picture, 0 to 1, that must have changed for a frame to be answered.
        most_age_s: a frame is answered in any case when the last answered one was taken so long before.
    """

    def __init__(self, *, least_changed: float = 0.005, most_age_s: float = 1.0) -> None:
        self._least_changed = least_changed
        self._most_age_s = most_age_s
        self._reference: NDArray[np.float32] | None = None
        self._answered_s = 0.0

    def changed(self, image: NDArray[np.uint8]) -> float:
        """The share of the picture that differs from the last answered one, 0 to 1; 1 where there is none.

        Args:
            image: RGB uint8 H x W x 3.
        """
        blocks = _blocks(image)
        if self._reference is None or blocks.shape != self._reference.shape:
            return 1.0
        difference = blocks - self._reference
        return float(np.mean(np.abs(difference - np.median(difference)) > _NOISE_LEVELS))

    def is_still(self, changed: float, now: float) -> bool:
        """Whether the last answer holds for a frame taken at `now`, of which so much has `changed`."""
        return changed < self._least_changed and now - self._answered_s < self._most_age_s

    def answered(self, image: NDArray[np.uint8], now: float) -> None:
        """This frame was answered; those that follow are compared with it."""
        self._reference = _blocks(image)
        self._answered_s = now


class ConfidenceGate:
    """Tells which of the device's own answers to doubt.

    Args:
        sure_score: a detection below it may be something else, or nothing.
        much_changed: when so much of the picture has changed, 0 to 1, the device may have missed what moves.
    """

    def __init__(self, *, sure_score: float = 0.6, much_changed: float = 0.05) -> None:
        self._sure_score = sure_score
        self._much_changed = much_changed
        self._known: Sequence[Detection] = ()

    def doubt(self, found: Sequence[Detection], changed: float = 0.0) -> str | None:
        """Why the frame is hard; None when it is not.

        Args:
            found: the device's own answer.
            changed: what `MotionGate.changed` says of the frame.
        """
        if changed >= self._much_changed:
            return f"{changed:.0%} of the picture has changed"
        for thing in found:
            if thing.score < self._sure_score:
                return f"unsure of {thing.label}: {thing.score:.2f}"
        for thing in found:
            if not _is_among(thing, self._known):
                return f"new: {thing.label}"
        for thing in self._known:
            if not _is_among(thing, found):
                return f"gone: {thing.label}"
        return None

    def answered(self, found: Sequence[Detection]) -> None:
        """What was found in a frame in the end, on the device or elsewhere."""
        self._known = found


def _is_among(thing: Detection, others: Sequence[Detection]) -> bool:
    return any(thing.label == other.label and thing.box.iou(other.box) >= _SAME_IOU for other in others)


def _blocks(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean green of each block, which is most of what brightness is; a picture smaller than a block is one."""
    side = max(1, min(_BLOCK_PX, *image.shape[:2]))
    rows, columns = image.shape[0] // side, image.shape[1] // side
    green = image[: rows * side, : columns * side, 1].reshape(rows, side, columns, side)
    return np.asarray(green.mean(axis=(1, 3), dtype=np.float32))
