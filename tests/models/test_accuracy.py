"""How good detections are, against the reference implementation; and the photos that they are judged on."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from astraea.models.accuracy import mean_average_precision
from astraea.models.errors import PhotoError
from astraea.models.photos import read_photos
from astraea.protocol import Box, Detection

LABELS = ["car", "dog"]

boxes = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height),
    *(st.integers(0, 60).map(float), st.integers(0, 60).map(float)),
    *(st.integers(10, 60).map(float), st.integers(10, 60).map(float)),
)


def things(scores: st.SearchStrategy[float]) -> st.SearchStrategy[list[Detection]]:
    thing = st.builds(Detection, label=st.sampled_from(LABELS), score=scores, box=boxes)
    return st.lists(thing, max_size=4, unique_by=lambda one: one.score)


images = st.lists(st.tuples(things(st.floats(0, 1)), things(st.floats(0.01, 1))), min_size=1, max_size=4)


def by_coco(truth: Sequence[Sequence[Detection]], found: Sequence[Sequence[Detection]]) -> float:
    """The reference implementation."""

    def entries(sets: Sequence[Sequence[Detection]]) -> list[dict[str, object]]:
        return [
            {
                "image_id": index,
                "category_id": LABELS.index(one.label),
                "bbox": [one.box.x1, one.box.y1, one.box.x2 - one.box.x1, one.box.y2 - one.box.y1],
                "area": one.box.area,
                "iscrowd": 0,
                "score": one.score,
            }
            for index, things_ in enumerate(sets)
            for one in things_
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": index} for index in range(len(truth))],
            "annotations": [{"id": number, **entry} for number, entry in enumerate(entries(truth), start=1)],
            "categories": [{"id": index} for index in range(len(LABELS))],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(entries(found)), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]
    return float(precision[precision >= 0].mean())


@given(images)
def test_precision_agrees_with_the_reference_implementation(
    pairs: list[tuple[list[Detection], list[Detection]]],
) -> None:
    truth, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = [one.score for things_ in found for one in things_]
    if not any(truth) or not scores or len(set(scores)) < len(scores):
        return  # the reference can't, or leaves the order of equals open
    assert mean_average_precision(truth, found) == pytest.approx(by_coco(truth, found), abs=1e-9)


def test_where_nothing_is_nothing_should_be_found() -> None:
    one = Detection(label="car", score=0.9, box=Box(0, 0, 9, 9))
    assert mean_average_precision([[], []], [[], []]) == 1
    assert mean_average_precision([[]], [[one]]) == 0


def test_a_plate_read_wrong_is_not_found() -> None:
    plate = Detection(label="plate", score=0.9, box=Box(0, 0, 9, 9), text="AB123")
    wrong = plate.model_copy(update={"text": "AB128"})
    assert mean_average_precision([[plate]], [[plate]]) == 1
    assert mean_average_precision([[plate]], [[wrong]]) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 80, 3), np.uint8))
    return tmp_path


def test_labels_are_read_as_yolo_writes_them(folder: Path) -> None:
    (folder / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n7 0.5 0.5 1 1\n")
    [photo] = read_photos(folder, folder, ["cat", "dog"], most=9)
    assert photo.truth == (
        Detection(label="dog", score=1, box=Box(20, 10, 60, 30)),
        Detection(label="class 7", score=1, box=Box(0, 0, 80, 40)),
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1 0.5 0.5 0.5", "a.txt, line 1: '1 0.5 0.5 0.5' is no label"),
        ("dog 0.5 0.5 0.5 0.5", "is no label"),
        ("1 0.5 0.5 2 0.5", "is no label"),
        ("1 nan 0.5 0.5 0.5", "is no label"),
    ],
)
def test_a_wrong_label_is_refused_with_its_line(folder: Path, line: str, complaint: str) -> None:
    (folder / "a.txt").write_text(line)
    with pytest.raises(PhotoError, match=complaint):
        read_photos(folder, folder, [], most=9)


def test_missing_images_and_labels_are_named(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(PhotoError, match=r"there are no labels .*a\.txt"):
        read_photos(folder, folder, [], most=9)
    with pytest.raises(PhotoError, match="there is no image in"):
        read_photos(tmp_path_factory.mktemp("empty"), None, [], most=9)
