"""What breaks between a device and the edge must never cost a frame."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device import OffloadClient
from astraea.protocol import Box, Detection, Result

from .conftest import Site

IMAGE = np.full((240, 320, 3), 127, np.uint8)
HANDLER = """\
from astraea.edge_server import Image
from astraea.protocol import Box, Detection


def load(model):
    return None


def predict(model, image: Image) -> list[Detection]:
    height, width, _ = image.shape
    return [Detection(label="picture", score=1, box=Box(0, 0, width, height))]
"""


class SlowDevice:
    """Takes a quarter of a second, so that the edge is the better choice while it is there."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        time.sleep(0.25)
        return [Detection(label="picture", score=1, box=Box(0, 0, image.shape[1], image.shape[0]))]


@pytest.fixture
def service(site: Site, tmp_path: Path) -> Site:
    """A service of no model on two nodes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "astraea.yaml").write_text("name: pictures\nversion: 1.0.0\nhandler: handler.py\n")
    (folder / "handler.py").write_text(HANDLER)
    for name, place in (("here", "30,120"), ("there", "31,121")):
        site.astraea("node", "add", name, "--region", "r", "--at", place)
    site.astraea("deploy", str(folder))
    return site


@pytest.fixture
def client(service: Site) -> Iterator[OffloadClient]:
    with OffloadClient("pictures", local=SlowDevice(), broker=service.broker_url, location=(30, 120)) as client:
        yield client


def kill_edge(site: Site) -> None:
    site.kill_instances()


def kill_broker(site: Site) -> None:
    site.kill_broker()
    site.start_broker()


def kill_both(site: Site) -> None:
    site.kill_broker()
    site.kill_instances()
    site.start_broker()


def answer_frames(client: OffloadClient, enough: Callable[[list[Result]], bool], seconds: float = 30) -> list[Result]:
    """Frame after frame, each of which must be answered, until there are enough."""
    results: list[Result] = []
    deadline = time.monotonic() + seconds
    while not enough(results):
        assert time.monotonic() < deadline, [result.tier for result in results[-20:]]
        results.append(client.infer(IMAGE))
        assert results[-1].answered, results[-1].failure
        assert results[-1].detections is not None
        assert results[-1].detections[0].label == "picture"
    return results


def edge_again(results: list[Result]) -> bool:
    """The last ten frames went to the edge."""
    return len(results) >= 10 and all(result.tier == "edge" for result in results[-10:])


@pytest.mark.parametrize("fault", [kill_edge, kill_broker, kill_both])
def test_every_frame_is_answered_through_a_kill_and_the_edge_is_used_again(
    service: Site, client: OffloadClient, fault: Callable[[Site], None]
) -> None:
    answer_frames(client, edge_again)
    fault(service)
    answer_frames(client, edge_again)


def test_instances_that_move_to_other_addresses_are_found_through_the_broker(
    service: Site, client: OffloadClient, tmp_path: Path
) -> None:
    answer_frames(client, edge_again)
    before = {instance["url"] for instance in service.instances()}
    service.astraea("remove", "pictures")
    answer_frames(client, lambda results: bool(results) and results[-1].tier == "device")
    service.astraea("deploy", str(tmp_path / "pictures"))
    assert before.isdisjoint({instance["url"] for instance in service.instances()})
    answer_frames(client, edge_again)
