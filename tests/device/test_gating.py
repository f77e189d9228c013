"""Still scenes cost nothing, and the edge looks again at what the device finds hard; results say which was which."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device import (
    ConfidenceGate,
    DeviceError,
    Frame,
    MotionGate,
    Objective,
    OffloadClient,
    Profile,
    UnreachableError,
)
from astraea.protocol import Box, Detection

from .test_client import FOUND_REMOTELY, Edge, fail_with

STILL = np.full((48, 64, 3), 90, np.uint8)
MOVED = STILL.copy()
MOVED[:, :32] = 200
DEADLINE = Objective(deadline_ms=5000)
SMALL_MODEL = Profile(local_accuracy=0.3)


class Unsure:
    """Finds one thing, with a confidence that the test sets."""

    def __init__(self) -> None:
        self.score = 0.9

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        return [Detection(label="car", score=self.score, box=Box(0, 0, 8, 8))]


def test_a_still_scene_has_the_answer_of_the_frame_before() -> None:
    edge = Edge()
    with OffloadClient(
        "s", edges=["http://edge"], transport=lambda _: edge, motion=MotionGate(most_age_s=3600)
    ) as client:
        first, second = client.infer(STILL), client.infer(STILL)
        moved = client.infer(MOVED)
    assert (first.repeats, second.repeats, moved.repeats) == (None, first.seq, None)
    assert (second.detections, second.source) == (first.detections, first.source)
    assert (second.bytes_sent, second.trace_id) != (first.bytes_sent, first.trace_id)
    assert second.answered
    assert edge.frames == 2


def test_what_could_not_be_answered_is_not_repeated() -> None:
    edge = Edge()
    edge.behaviour = fail_with(UnreachableError("gone"))
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: edge, motion=MotionGate()) as client:
        assert [client.infer(STILL).repeats for _ in range(2)] == [None, None]


def test_an_answer_is_repeated_only_for_a_while() -> None:
    with OffloadClient(
        "s", edges=["http://edge"], transport=lambda _: Edge(), motion=MotionGate(most_age_s=10)
    ) as client:
        now = time.monotonic()
        results = [client.infer(Frame(STILL, seq, now + after_s)) for seq, after_s in enumerate((0, 9, 11, 12))]
    assert [result.repeats for result in results] == [None, 0, None, 2]


def test_the_edge_looks_again_at_what_the_device_is_unsure_of() -> None:
    edge, detector = Edge(), Unsure()
    with OffloadClient(
        "s",
        local=detector,
        edges=["http://edge"],
        transport=lambda _: edge,
        objective=DEADLINE,
        profile=SMALL_MODEL,
        confidence=ConfidenceGate(),
    ) as client:
        new = client.infer(STILL)
        detector.score = 0.4
        unsure = next(result for result in (client.infer(STILL) for _ in range(100)) if result.tier == "edge")
        edge.behaviour = fail_with(UnreachableError("gone"))
        # Where the policy thinks that there is no time, it does not ask; then nobody fails.
        alone = next(result for result in (client.infer(STILL) for _ in range(100)) if result.fallback)
    assert new.doubt == "new: car"
    assert (unsure.doubt, unsure.detections) == ("unsure of car: 0.40", (FOUND_REMOTELY,))
    assert (alone.tier, alone.doubt, alone.fallback) == ("device", "unsure of car: 0.40", "gone")


def test_what_the_device_is_sure_of_is_not_sent() -> None:
    edge = Edge()
    with OffloadClient(
        "s",
        local=Unsure(),
        broker="http://127.0.0.1:9",
        objective=DEADLINE,
        profile=SMALL_MODEL,
        confidence=ConfidenceGate(),
    ) as client:
        results = [client.infer(STILL) for _ in range(3)]
    assert [result.doubt for result in results] == ["new: car", None, None]
    assert {result.tier for result in results} == {"device"}
    assert edge.frames == 0


def test_without_a_model_or_a_deadline_there_is_nothing_to_doubt() -> None:
    with pytest.raises(DeviceError, match="needs a model on the device"):
        OffloadClient("s", edges=["http://edge"], objective=DEADLINE, confidence=ConfidenceGate())
    with pytest.raises(DeviceError, match="needs a deadline"):
        OffloadClient("s", local=Unsure(), edges=["http://edge"], confidence=ConfidenceGate())
