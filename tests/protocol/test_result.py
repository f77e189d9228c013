"""A result tells everything of itself, in any form, and never takes an outage for an empty picture."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.protocol import (
    Box,
    Detection,
    MissingExtraError,
    NoAnswerError,
    Point,
    Result,
    SentImage,
    ServerTiming,
)

CAR = Detection(label="car", score=0.75, box=Box(1, 2, 30, 40))
PLATE = Detection(
    label="plate",
    score=0.5,
    box=Box(5, 5, 25, 15),
    corners=(Point(6, 5), Point(25, 6), Point(24, 15), Point(5, 14)),
    text="B-1",
    text_score=0.9,
)


def result(**change: object) -> Result:
    known: dict[str, object] = {"seq": 3, "captured_at": 1.5, "tier": "edge", "predicted_ms": 9, "actual_ms": 10}
    return Result.model_validate(known | {"age_ms": 12, "detections": (CAR, PLATE)} | change)


def test_it_reads_back_from_its_json() -> None:
    whole = result(
        instance="edge-1",
        revision="1.0",
        trace_id="ab" * 16,
        deadline_ms=50,
        sent_as=SentImage(320, 240, 70),
        server=ServerTiming(infer_ms=3),
        fallback="refused",
    )
    assert Result.model_validate_json(whole.to_json()) == whole
    assert json.loads(whole.to_json()) == json.loads(json.dumps(whole.to_dict()))
    assert whole.to_dict()["sent_as"] == {"width": 320, "height": 240, "quality": 70, "video": False}
    assert whole.to_dict()["source"] == "edge/edge-1@1.0"


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, None),
        ({"deadline_ms": 12}, True),
        ({"deadline_ms": 11.9}, False),
        ({"deadline_ms": 50, "tier": None, "detections": None, "failure": "gone"}, False),
    ],
)
def test_a_deadline_is_met_by_an_answer_in_time(change: dict[str, object], met: bool | None) -> None:
    assert result(**change).deadline_met is met


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ({"tier": "device"}, "device"),
        ({"instance": "a"}, "edge/a"),
        ({"tier": "cloud", "instance": "a", "revision": "2"}, "cloud/a@2"),
        ({"tier": None, "detections": None, "failure": "gone"}, None),
    ],
)
def test_the_source_is_who_answered(change: dict[str, object], source: str | None) -> None:
    assert result(**change).source == source


@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_a_detection_grows_with_its_image(x: float, y: float) -> None:
    scaled = PLATE.scaled(x, y)
    assert scaled.box == Box(5 * x, 5 * y, 25 * x, 15 * y)
    assert scaled.corners is not None
    assert scaled.corners[1] == Point(25 * x, 6 * y)
    assert (scaled.label, scaled.score, scaled.text) == (PLATE.label, PLATE.score, PLATE.text)


def test_supervision_gets_boxes_scores_names_texts_and_corners() -> None:
    found = result().to_supervision()
    assert found.xyxy.tolist() == [[1, 2, 30, 40], [5, 5, 25, 15]]
    assert found.confidence is not None
    assert found.confidence.tolist() == [0.75, 0.5]
    assert found["class_name"].tolist() == ["car", "plate"]
    assert found["text"].tolist() == ["", "B-1"]
    assert found["xyxyxyxy"][0].tolist() == [[1, 2], [30, 2], [30, 40], [1, 40]]
    assert found["xyxyxyxy"][1].tolist() == [[6, 5], [25, 6], [24, 15], [5, 14]]
    again = result(detections=(PLATE,)).to_supervision()
    assert again.class_id is not None
    assert found.class_id is not None
    assert again.class_id[0] == found.class_id[1]


def test_supervision_draws_what_it_gets() -> None:
    import supervision as sv

    blank = np.zeros((60, 60, 3), np.uint8)
    assert sv.BoxAnnotator().annotate(blank.copy(), result().to_supervision()).any()
    assert not sv.BoxAnnotator().annotate(blank.copy(), result(detections=()).to_supervision()).any()


def test_an_outage_has_no_detections_to_give() -> None:
    with pytest.raises(NoAnswerError, match="cable cut"):
        result(tier=None, detections=None, failure="cable cut").to_supervision()
    with pytest.raises(NoAnswerError, match="output"):
        result(detections=None, output={"class": 7}).to_supervision()


def test_without_supervision_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError) as refused:
        result().to_supervision()
    assert refused.value.hint == "pip install 'astraea[supervision]'"
