"""How much two answers to the same request differ. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from astraea.protocol import Box, Detection, Detections

MOST_COMPARED_BYTES = 64 * 1024
"""Of an answer. Comparing more would take time that requests could use."""
_MOST_DETECTIONS = 500
"""Of an answer; no detector here keeps as many."""
LEAST_IOU = 0.5
"""From which on two boxes show the same thing, as in PASCAL VOC's and COCO's measures."""
RELATIVE, ABSOLUTE = 0.01, 1e-3
"""By which numbers may differ, by the one or the other: another machine rounds otherwise, another model does not."""


def disagreement(one: bytes, other: bytes) -> float:
    """How much two bodies of answers differ, from 0 (not at all) to 1; it doesn't matter which comes first.

    Detections: 1 - F1 of those that both have, one by one, with the same label and text where their boxes overlap.
    Classes: whether the likeliest is the same. Any other JSON: whether it is equal, but for a little in numbers.
    """
    if one == other:
        return 0.0
    try:
        ours, theirs = _detections(one), _detections(other)
        return 1 - _f1(ours, theirs)
    except ValidationError:
        pass
    try:
        return 0.0 if _alike(_essence(from_json(one)), _essence(from_json(other))) else 1.0
    except ValueError:  # it is no JSON
        return 1.0


def _detections(body: bytes) -> Sequence[Detection]:
    return Detections.model_validate_json(body).detections[:_MOST_DETECTIONS]


def _f1(ours: Sequence[Detection], theirs: Sequence[Detection]) -> float:
    """The harmonic mean of precision and recall; 1 if neither has any (https://en.wikipedia.org/wiki/F-score)."""
    total = len(ours) + len(theirs)
    if not total:
        return 1.0
    our_boxes, their_boxes = _by_kind(ours), _by_kind(theirs)
    return 2 * sum(_pairs(boxes, their_boxes[kind]) for kind, boxes in our_boxes.items()) / total


def _by_kind(detections: Iterable[Detection]) -> defaultdict[tuple[str, str | None], list[Box]]:
    """What is written on a thing is part of what it is."""
    found = defaultdict(list)
    for detection in detections:
        found[detection.label, detection.text].append(detection.box)
    return found


def _pairs(ours: Sequence[Box], theirs: Sequence[Box]) -> int:
    """How many pairs of overlapping boxes there can be, each box in one (maximum matching, by augmenting paths)."""
    if not ours or not theirs:
        return 0
    overlapping = [np.flatnonzero(row).tolist() for row in _iou(ours, theirs) >= LEAST_IOU]
    partner: dict[int, int] = {}

    def takes(mine: int, tried: set[int]) -> bool:
        for one in overlapping[mine]:
            if one not in tried:
                tried.add(one)
                if one not in partner or takes(partner[one], tried):
                    partner[one] = mine
                    return True
        return False

    return sum(takes(mine, set()) for mine in range(len(ours)))


def _iou(ours: Sequence[Box], theirs: Sequence[Box]) -> NDArray[np.float64]:
    """Intersection over union of each of N boxes with each of M: N x M."""
    a, b = np.asarray(ours, np.float64)[:, None], np.asarray(theirs, np.float64)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    with np.errstate(all="ignore"):  # a box without an end overlaps nothing
        both = _area(low, high)
        union = _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - both
        return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def _area(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.clip(high - low, 0, None).prod(axis=-1))


def _essence(answer: Any) -> Any:
    """Of a classifier's answer the likeliest class; any other answer as it is."""
    match answer:
        case {"classes": [{"label": str(label), "score": float()}, *_]}:
            return label
    return answer


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
