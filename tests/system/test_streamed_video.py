"""A video that a device streams gets the answers that requests get, whatever carries its frames."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from astraea.device import Frame, OffloadClient, open_camera
from astraea.device.codec import encode
from astraea.device.encoding import Encoding
from astraea.device.transports import TransportName
from astraea.models.darknet import convert_darknet
from astraea.protocol import Detection, Detections
from tests.system.conftest import ASTRAEA, wait_until

HANDLER = """\
from astraea.edge_server import Image
from astraea.models import load_detector
from astraea.protocol import Detection


def load(model):
    return load_detector(model, threads=1)


def predict(model, image: Image) -> list[Detection]:
    return model.detect(image)
"""
FRAMES = 60


@pytest.fixture(scope="module")
def edge(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that finds things with a network of Darknet's."""
    folder = tmp_path_factory.mktemp("things")
    network = shared_data / "darknet" / "yolo-fastest-1.1-xl.cfg"
    names = (network.parent / "coco.names").read_text().splitlines()
    convert_darknet(network, network.with_suffix(".weights"), folder / "model.onnx", names=names, fit="stretch")
    (folder / "astraea.yaml").write_text("name: things\nversion: 1.0.0\nmodel: model.onnx\nhandler: handler.py\n")
    (folder / "handler.py").write_text(HANDLER)
    log = folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen([*ASTRAEA, "serve", str(folder), "--port", "0"], stderr=output)
    with server:
        wait_until(lambda: " answers at " in log.read_text(), "the server is ready")
        yield log.read_text().rpartition(" answers at ")[2].strip().removesuffix("/predict")
        server.terminate()


@pytest.fixture(scope="module")
def video(shared_data: Path) -> list[Frame]:
    """A part of it in which there is something to find."""
    with open_camera(str(shared_data / "video" / "car-detection.mp4")) as camera:
        return list(itertools.islice(camera, FRAMES))


@pytest.fixture(scope="module")
def requested(edge: str, video: list[Frame]) -> list[tuple[Detection, ...]]:
    """What plain requests are answered."""
    with httpx.Client() as http:
        replies = [http.post(f"{edge}/predict", content=encode(frame.image, Encoding())) for frame in video]
    found = [Detections.model_validate_json(reply.content).detections for reply in replies]
    assert any(found)
    return found


@pytest.mark.parametrize("transport", ["http", "websocket", "auto"])
def test_a_streamed_video_gets_the_answers_that_requests_get(
    edge: str, video: list[Frame], requested: list[tuple[Detection, ...]], transport: TransportName
) -> None:
    with OffloadClient("things", edges=[edge], transport=transport) as client:
        results = list(client.stream(video))
    assert [result.failure for result in results] == [None] * FRAMES
    assert [result.seq for result in results] == [frame.seq for frame in video]
    assert [result.detections for result in results] == requested
    if transport != "http":
        assert 'astraea_streams{transport="websocket"}' in httpx.get(f"{edge}/metrics").text
