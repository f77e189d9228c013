"""The synthetic street: what it claims to show is there, and can be read."""

import itertools
import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astraea.device import CameraError, Frame, open_camera
from astraea.device.camera.synthetic.plates import DRIVES, make_plate, paint_plate, width_mm
from astraea.device.camera.synthetic.scene import LEGIBLE_PX
from astraea.device.camera.synthetic.traffic import Car, Lane
from astraea.models import DownloadError, load_detector
from tests.conftest import need

PLATE_TEXT = re.compile(r"[\u4e00-\u9fff][A-HJ-NP-Z]([0-9A-HJ-NP-Z]{5}|[A-HJK][0-9]{5})")


def shots(count: int, seed: int = 0, step: int = 1, **options: tuple[int, int]) -> list[Frame]:
    with open_camera(f"synthetic:?seed={seed}", **options) as camera:  # type: ignore[arg-type]  # size alone
        return list(itertools.islice(camera, 0, count * step, step))


@given(st.integers(0, 2**32 - 1))
def test_plates_have_texts_that_real_ones_might_have(seed: int) -> None:
    text = make_plate(np.random.default_rng(seed))
    assert PLATE_TEXT.fullmatch(text)
    assert len(text) == 7 or text[2] in DRIVES


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_painted_plate_has_its_measures(seed: int) -> None:
    text = make_plate(np.random.default_rng(seed))
    assert paint_plate(text).shape == (140, width_mm(text), 3)


@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0.0, 3.0), min_size=1, max_size=20))
def test_a_lane_has_its_cars_in_order_apart_and_never_backing_up(seed: int, pauses_s: list[float]) -> None:
    lane = Lane(-2.0, 5.0, (8.0, 12.0), np.random.default_rng(seed))
    before: dict[Car, float] = {}
    for time_s in itertools.accumulate(pauses_s):
        now = dict(lane.cars(time_s))
        ahead = list(now.values())
        assert all(8.0 - 1e-6 <= far - near <= 12.0 + 1e-6 for far, near in itertools.pairwise(ahead))
        assert all(now[car] <= before[car] + 1e-6 for car in now.keys() & before.keys())
        before = now


def test_the_same_seed_gives_the_same_frames_and_another_one_others() -> None:
    first, again, other = shots(3, seed=5), shots(3, seed=5), shots(3, seed=6)
    assert all((a.image == b.image).all() and a.truth == b.truth for a, b in zip(first, again, strict=True))
    assert any((a.image != b.image).any() for a, b in zip(first, other, strict=True))


def test_the_truth_lies_in_the_picture_and_its_corners_in_its_box() -> None:
    seen = 0
    for frame in shots(20, seed=1, step=3):
        height, width = frame.image.shape[:2]
        for plate in frame.truth or ():
            seen += 1
            assert plate.corners is not None
            xs, ys = zip(*plate.corners, strict=True)
            assert plate.box == pytest.approx((min(xs), min(ys), max(xs), max(ys)))
            assert plate.box.x1 >= 0
            assert plate.box.y1 >= 0
            assert plate.box.x2 <= width
            assert plate.box.y2 <= height
            assert plate.box.x2 - plate.box.x1 >= LEGIBLE_PX
            top_left, top_right, bottom_right, bottom_left = plate.corners
            assert top_left.x < top_right.x
            assert bottom_left.x < bottom_right.x
            assert top_left.y < bottom_left.y
            assert top_right.y < bottom_right.y
    assert seen >= 5


def test_cars_move_from_frame_to_frame() -> None:
    boxes: dict[str | None, list[float]] = {}
    for frame in shots(40):
        for plate in frame.truth or ():
            boxes.setdefault(plate.text, []).append(plate.box.area)
    followed = [areas for areas in boxes.values() if len(areas) >= 3]
    assert followed
    assert all(areas != [areas[0]] * len(areas) for areas in followed)


def test_a_scene_ends_when_asked_to_and_has_the_size_asked_for() -> None:
    with open_camera("synthetic:?frames=3", size=(320, 240)) as camera:
        frames = list(camera)
    assert [frame.image.shape for frame in frames] == [(240, 320, 3)] * 3


def test_without_its_font_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("astraea.device.camera.synthetic")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(CameraError, match="needs the package 'PIL'") as caught:
        open_camera("synthetic:")
    assert caught.value.hint == "pip install 'astraea[demo]'"


def test_plates_are_read_from_the_frames_as_they_are_sent() -> None:
    try:
        recognizer = load_detector("plates")
    except DownloadError as error:
        need("registry", present=False, reason=f"the plate model can't be had: {error}")
        raise
    expected = read = 0
    for seed in range(2):
        for frame in shots(25, seed=seed, step=3):
            jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
            found = recognizer.detect(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB), np.uint8))
            for plate in frame.truth or ():
                expected += 1
                read += any(other.text == plate.text and other.box.iou(plate.box) >= 0.5 for other in found)
    assert expected >= 10
    assert read / expected >= 0.93
