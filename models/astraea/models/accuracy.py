"""How good detections are: mean average precision at an overlap of one half, as COCO defines it. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from astraea.protocol import Detection

_LEAST_IOU = 0.5
_RECALLS = [step / 100 for step in range(101)]
"""Where COCO reads the precision off (T.-Y. Lin et al., "Microsoft COCO", ECCV 2014)."""


class _Found(NamedTuple):
    score: float
    right: bool


def mean_average_precision(truth: Sequence[Sequence[Detection]], found: Sequence[Sequence[Detection]]) -> float:
    """The mean over the classes that occur, 0 to 1. What is written on a thing is part of its class.

    Args:
        truth: what is in each image; scores don't matter.
        found: what a detector found in each, in the same order.

    Returns:
        With no truth at all, 1 where nothing was found either, else 0.
    """
    classes = {_class(thing) for things in truth for thing in things}
    if not classes:
        return 0.0 if any(found) else 1.0
    return sum(_average_precision(_of(truth, name), _of(found, name)) for name in classes) / len(classes)


def _of(images: Sequence[Sequence[Detection]], name: str) -> list[list[Detection]]:
    """Each image's things of one class."""
    return [[thing for thing in things if _class(thing) == name] for things in images]


def _class(thing: Detection) -> str:
    return thing.text or thing.label


def _average_precision(truth: Sequence[Sequence[Detection]], found: Sequence[Sequence[Detection]]) -> float:
    """The area below the curve of the best precision that is reached at a recall or beyond it."""
    total = sum(map(len, truth))
    ranked = sorted((one for pair in zip(truth, found, strict=True) for one in _matched(*pair)), reverse=True)
    hits = list(accumulate(one.right for one in ranked))
    recalls = [hit / total for hit in hits]
    precisions = [hit / rank for rank, hit in enumerate(hits, start=1)]
    beyond = list(accumulate(reversed(precisions), max))[::-1]
    reached = (bisect_left(recalls, recall - 1e-12) for recall in _RECALLS)
    return sum(beyond[index] for index in reached if index < len(beyond)) / len(_RECALLS)


def _matched(truth: Sequence[Detection], found: Iterable[Detection]) -> list[_Found]:
    """One image: the best detections first, each takes the thing that it overlaps most and that is still free."""
    free = [thing.box for thing in truth]
    matched = []
    for one in sorted(found, key=lambda detection: -detection.score):
        overlaps = [one.box.iou(box) for box in free]
        most = max(overlaps, default=0.0)
        matched.append(_Found(one.score, right=most >= _LEAST_IOU))
        if most >= _LEAST_IOU:
            del free[overlaps.index(most)]
    return matched
