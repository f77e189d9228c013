import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from astraea.models.nms import suppress
from astraea.protocol import Box

SQUARE = [0.0, 0.0, 10.0, 10.0]
NEARLY = [1.0, 0.0, 11.0, 10.0]
AWAY = [50.0, 50.0, 60.0, 60.0]


def kept(boxes: list[list[float]], scores: list[float], classes: list[int], iou: float = 0.5) -> list[int]:
    found = suppress(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(classes), iou=iou)
    return [int(index) for index in found]


def test_the_best_of_overlapping_boxes_of_a_class_stays() -> None:
    assert kept([SQUARE, NEARLY, AWAY], [0.5, 0.9, 0.7], [0, 0, 0]) == [1, 2]


def test_boxes_of_different_classes_leave_each_other_alone() -> None:
    assert kept([SQUARE, SQUARE, NEARLY], [0.5, 0.9, 0.7], [0, 1, 2]) == [1, 2, 0]


def test_of_nothing_nothing_stays() -> None:
    assert suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp), iou=0.5).size == 0


def test_of_very_many_the_best_are_looked_at() -> None:
    boxes = np.arange(20_000, dtype=np.float32)[:, np.newaxis] * 20 + np.array(SQUARE, np.float32)
    scores = np.linspace(0, 1, len(boxes), dtype=np.float32)
    found = suppress(boxes, scores, np.zeros(len(boxes), np.intp), iou=0.5)
    assert found[0] == len(boxes) - 1
    assert len(found) == 3000


@st.composite
def candidates(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    count = draw(st.integers(0, 12))
    corners = draw(arrays(np.float32, (count, 2), elements=st.integers(0, 20).map(float)))
    sizes = draw(arrays(np.float32, (count, 2), elements=st.integers(1, 20).map(float)))
    scores = draw(arrays(np.float32, count, elements=st.integers(1, 100).map(lambda score: score / 100), unique=True))
    classes = draw(arrays(np.intp, count, elements=st.integers(0, 2)))
    return np.concatenate([corners, corners + sizes], axis=1), scores, classes


@given(candidates(), st.sampled_from([0.213, 0.451, 0.707]))
def test_it_is_greedy_suppression_within_each_class(
    drawn: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]], iou: float
) -> None:
    boxes, scores, classes = drawn
    rectangles = [Box(*box) for box in boxes.tolist()]
    expected: list[int] = []
    for index in np.argsort(-scores).tolist():
        better = [other for other in expected if classes[other] == classes[index]]
        if all(rectangles[index].iou(rectangles[other]) <= iou for other in better):
            expected.append(index)
    assert suppress(boxes, scores, classes, iou=iou).tolist() == expected
