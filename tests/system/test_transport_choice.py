"""What carries frames follows the link: pictures where it is wide, a video where their bytes hold them up."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device import OffloadClient
from astraea.protocol import Result
from netlab import Conditions
from tests.system.conftest import Lab, wait_until

pytestmark = pytest.mark.usefixtures("netns")

NARROW, WIDE = Conditions(rate_mbps=1, delay_ms=15), Conditions(rate_mbps=100, delay_ms=15)
FRAMES = 25


@pytest.fixture
def handler() -> str:
    return """
        from astraea.edge_server import Image

        def predict(model, image: Image) -> dict[str, list[int]]:
            return {"size": list(image.shape[:2])}
    """


class Scene:
    """A room in which something flickers: 38 kB as a JPEG, 3 kB as a frame of a video."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(5)
        coarse = self._random.integers(0, 255, (15, 20, 3), np.uint8)
        self._room = np.asarray(cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC), np.uint8)

    def __call__(self) -> NDArray[np.uint8]:
        picture = self._room.copy()
        picture[100:156, 200:256] = self._random.integers(0, 255, (56, 56, 3), np.uint8)
        return picture


def test_a_narrow_link_gets_a_video_and_a_wide_one_pictures(lab: Lab) -> None:
    scene = Scene()
    results: list[Result] = []

    def one(video: bool) -> Callable[[], bool]:
        def ask() -> bool:
            result = client.infer(scene())
            results.append(result)
            return result.sent_as is not None and result.sent_as.video is video

        return ask

    lab.link.become(WIDE)
    with lab.device.entered(), OffloadClient("service", edges=[lab.url]) as client:
        for _ in range(FRAMES):
            one(video=False)()
        assert sum(bool(result.sent_as and result.sent_as.video) for result in results) < FRAMES / 2
        lab.link.become(NARROW)
        wait_until(one(video=True), "a frame goes as one of a video", 60)
        for _ in range(FRAMES):
            one(video=True)()
        as_video = [result for result in results[-FRAMES:] if result.sent_as and result.sent_as.video]
        assert len(as_video) > FRAMES / 2
        lab.link.become(WIDE)
        wait_until(one(video=False), "a frame goes as a picture again", 60)
    assert [result.failure for result in results] == [None] * len(results)
    assert all(result.output == {"size": [480, 640]} for result in results)
    pictures = [result.bytes_sent for result in results if result.sent_as and not result.sent_as.video]
    assert np.median([result.bytes_sent for result in as_video]) < np.median(pictures) / 2
