"""The gates that spare frames an answer, or the device's answer a second opinion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from astraea.device.decision import ConfidenceGate, MotionGate, Policy
from astraea.device.encoding import Size
from astraea.device.profile import Profile
from astraea.protocol import Box, Detection

SCENE = np.random.default_rng(7).integers(40, 200, (480, 640, 3)).astype(np.uint8)


def with_a_car(at: int) -> NDArray[np.uint8]:
    image = SCENE.copy()
    image[200:280, at : at + 120] = 230
    return image


def car(score: float = 0.9, x: float = 100) -> Detection:
    return Detection(label="car", score=score, box=Box(x, 200, x + 120, 280))


def test_the_first_frame_is_never_still() -> None:
    gate = MotionGate()
    assert gate.changed(SCENE) == 1
    assert not gate.is_still(1.0, now=0.0)


@given(st.integers(0, 2**32 - 1), st.integers(-15, 15))
def test_noise_and_exposure_are_no_motion(seed: int, brighter: int) -> None:
    gate = MotionGate()
    gate.answered(SCENE, now=0.0)
    noise = np.random.default_rng(seed).normal(brighter, 8, SCENE.shape)
    assert gate.is_still(gate.changed(np.clip(SCENE + noise, 0, 255).astype(np.uint8)), now=0.1)


@given(st.integers(0, 520))
def test_a_car_that_comes_is_motion(at: int) -> None:
    gate = MotionGate()
    gate.answered(SCENE, now=0.0)
    assert not gate.is_still(gate.changed(with_a_car(at)), now=0.1)


def test_an_answer_holds_for_a_while_only() -> None:
    gate = MotionGate(most_age_s=1.0)
    gate.answered(SCENE, now=5.0)
    assert gate.is_still(0.0, now=5.9)
    assert not gate.is_still(0.0, now=6.0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 700, 3), (300, 641, 3)])
def test_pictures_of_any_size_and_of_another_size_are_compared(shape: tuple[int, int, int]) -> None:
    gate = MotionGate()
    image = np.zeros(shape, np.uint8)
    gate.answered(image, now=0.0)
    assert gate.changed(image) == 0
    assert gate.changed(SCENE) == 1


@pytest.mark.parametrize(
    ("found", "changed", "reason"),
    [
        ([car()], 0.0, None),
        ([car(x=130)], 0.0, None),
        ([car(score=0.4)], 0.0, "unsure of car: 0.40"),
        ([car(), car(x=400)], 0.0, "new: car"),
        ([], 0.0, "gone: car"),
        ([car()], 0.2, "20% of the picture has changed"),
    ],
)
def test_hard_is_what_is_unsure_new_gone_or_much_in_motion(
    found: list[Detection], changed: float, reason: str | None
) -> None:
    gate = ConfidenceGate()
    gate.answered([car()])
    assert gate.doubt(found, changed) == reason


def policy(uplink_mbps: float, **keys: float) -> Policy:
    """One that knows its edge."""
    learning = Policy(local=True, profile=Profile.model_validate(keys))
    learning.offer(["edge"])
    for index in range(20):
        size_bytes = (256, 45_000)[index % 2]
        network_ms = 40 + size_bytes * 8 / uplink_mbps / 1000
        learning.observe_probe(
            "edge", size_bytes=size_bytes, network_ms=network_ms, sent_at=index / 10, now=index / 10 + network_ms / 1000
        )
    return learning


def test_a_second_opinion_is_the_most_accurate_that_the_link_brings_in_time() -> None:
    ample, tight = (policy(4).second_opinion(Size(640, 480), now=2.2, left_ms=left_ms) for left_ms in (400, 120))
    assert ample is not None
    assert tight is not None
    assert ample.encoding is not None
    assert tight.encoding is not None
    assert ample.encoding.quality == 85
    assert tight.encoding < ample.encoding
    assert tight.predicted_ms < 120


def test_there_is_no_second_opinion_without_time_or_from_one_who_knows_no_better() -> None:
    assert policy(4).second_opinion(Size(640, 480), now=2.2, left_ms=30) is None
    assert policy(4, local_accuracy=0.9).second_opinion(Size(640, 480), now=2.2, left_ms=400) is None
