"""Measuring a profile: which encodings, where things lie in a smaller picture, and answers that are none."""

import numpy as np
import pytest

from astraea.device import Encoding, ProfileError, Reply
from astraea.device.profile import Profile, Rung
from astraea.device.profiling import Profiler, ladder
from astraea.models.photos import Photo
from astraea.protocol import Box, Detection, Detections, ServerTiming


def test_a_ladder_is_every_resolution_in_every_quality() -> None:
    assert ladder([None, 320, 320], [40, 85]) == [
        Encoding(85),
        Encoding(40),
        Encoding(85, 320),
        Encoding(40, 320),
    ]


def test_a_side_too_small_to_see_anything_is_refused() -> None:
    with pytest.raises(ProfileError, match="8 pixels"):
        ladder([None, 8], [85])


def test_only_rungs_that_pay_for_their_bytes_are_chosen_among() -> None:
    def rung(size: int, accuracy: float) -> Rung:
        return Rung(bytes=size, accuracy=accuracy, encode_ms=1, edge_ms=1, quality=size // 1000)

    profile = Profile(rungs=(rung(40_000, 0.8), rung(30_000, 0.5), rung(20_000, 0.6), rung(10_000, 0.6)))
    assert [one.bytes for one in profile.ladder] == [10_000, 40_000]


class Edge:
    """Answers everything alike."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def send(self, payload: bytes, media_type: str, **context: object) -> Reply:
        return Reply(self.body, ServerTiming(), 5.0)

    async def probe(self, payload: bytes) -> Reply:
        return Reply(b"", ServerTiming(), 3.0)

    async def close(self) -> None:
        pass


async def test_boxes_found_in_a_smaller_picture_are_where_they_are_in_the_whole_one() -> None:
    truth = (Detection(label="car", score=1, box=Box(100, 100, 300, 200)),)
    answer = Detections(detections=(Detection(label="car", score=0.9, box=Box(50, 50, 150, 100)),))
    photo = Photo(np.zeros((400, 800, 3), np.uint8), truth)
    half = await Profiler(Edge(answer.model_dump_json().encode()), None).measure([photo], [Encoding(85, 400)])
    whole = await Profiler(Edge(answer.model_dump_json().encode()), None).measure([photo], [Encoding(85)])
    assert half.against_labels
    assert (half.profile.rungs[0].accuracy, whole.profile.rungs[0].accuracy) == (1, 0)
    assert half.profile.rtt_ms == 3


async def test_a_service_that_detects_nothing_is_refused() -> None:
    photo = Photo(np.zeros((40, 80, 3), np.uint8), None)
    with pytest.raises(ProfileError, match="no list of detections"):
        await Profiler(Edge(b'{"class": "cat"}'), None).measure([photo], [Encoding()])
