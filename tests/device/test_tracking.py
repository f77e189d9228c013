"""Boxes carried to the newest frame: scenes whose motion is known."""

import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from astraea.device import DeviceError, Frame, Tracker
from astraea.protocol import Box, Detection, Point, Result

_RNG = np.random.default_rng(7)
_TEXTURE = cv2.GaussianBlur(_RNG.integers(0, 255, (80, 80, 3), np.uint8), (0, 0), 2)
_GROUND = cv2.GaussianBlur(_RNG.integers(0, 120, (480, 640, 3), np.uint8), (0, 0), 6)


def scene(x: float, y: float, side: float = 80) -> NDArray[np.uint8]:
    """A patterned square with its top left corner there, over a ground that stays."""
    picture = _GROUND.copy()
    to = np.array([[side / 80, 0, x], [0, side / 80, y]], np.float32)
    cv2.warpAffine(_TEXTURE, to, (640, 480), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    return np.asarray(picture, np.uint8)


def frame(seq: int, image: NDArray[np.uint8]) -> Frame:
    return Frame(image, seq, time.monotonic())


def answer(seq: int, *found: Detection) -> Result:
    return Result(seq=seq, captured_at=0, tier="edge", detections=found, predicted_ms=1, actual_ms=1, age_ms=1)


def thing(box: Box) -> Detection:
    corners = (Point(box.x1, box.y1), Point(box.x2, box.y1), Point(box.x2, box.y2), Point(box.x1, box.y2))
    return Detection(label="thing", score=0.9, box=box, corners=corners, text="A1")


@settings(max_examples=20)
@given(dx=st.floats(-40, 40), dy=st.floats(-40, 40), side=st.floats(70, 92))
def test_a_box_follows_what_it_holds_and_grows_with_it(dx: float, dy: float, side: float) -> None:
    tracker = Tracker()
    tracker.see(frame(4, scene(200, 200)))
    tracker.see(frame(7, scene(200 + dx, 200 + dy, side)))
    newest, carried = tracker.carry(answer(4, thing(Box(200, 200, 280, 280))))
    [found] = carried.detections or ()
    assert newest.seq == carried.carried_to == 7
    assert found.box.iou(Box(200 + dx, 200 + dy, 200 + dx + side, 200 + dy + side)) > 0.85
    assert found.corners is not None
    assert found.corners[2] == pytest.approx((found.box.x2, found.box.y2))
    assert (found.label, found.text) == ("thing", "A1")


def test_what_cannot_be_followed_stays_where_it_was() -> None:
    tracker = Tracker()
    tracker.see(frame(0, scene(200, 200)))
    tracker.see(frame(1, np.asarray(_RNG.integers(0, 255, (480, 640, 3)), np.uint8)))
    found = thing(Box(200, 200, 280, 280))
    assert tracker.carry(answer(0, found))[1].detections == (found,)


def test_a_frame_that_is_the_newest_or_was_forgotten_leaves_boxes_alone() -> None:
    tracker = Tracker()
    found = thing(Box(200, 200, 280, 280))
    for seq in range(70):
        tracker.see(frame(seq, scene(200 + seq, 200)))
    for alone in (answer(69, found), answer(0, found)):
        newest, carried = tracker.carry(alone)
        assert (newest.seq, carried) == (69, alone)
    assert tracker.carry(answer(60, found))[1].detections != (found,)


def test_frames_pass_through_and_an_answer_without_detections_stays_one() -> None:
    tracker = Tracker()
    frames = [frame(0, scene(0, 0)), frame(1, scene(9, 9))]
    assert list(tracker.watch(frames)) == frames
    failed = answer(0).model_copy(update={"detections": None})
    assert tracker.carry(failed)[1] == failed
    assert tracker.carry(answer(0))[1].carried_to == 1


def test_a_camera_that_changes_its_size_leaves_boxes_alone() -> None:
    tracker = Tracker()
    tracker.see(frame(0, scene(200, 200)))
    tracker.see(frame(1, scene(200, 200)[:240]))
    found = answer(0, thing(Box(200, 200, 280, 280)))
    assert tracker.carry(found)[1] == found


def test_a_tracker_that_saw_nothing_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="as `watch` does"):
        Tracker().carry(answer(0))
    with pytest.raises(DeviceError, match="H x W x 3"):
        Tracker().see(frame(0, np.zeros((4, 4), np.uint8)))
