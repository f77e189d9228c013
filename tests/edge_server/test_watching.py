"""Following a session over real HTTP: events of its results, and its video with the boxes."""

import json
from collections.abc import AsyncIterator

import cv2
import httpx
import numpy as np
import pytest

from .conftest import StartServer, WriteService
from .publisher import Publisher, publishing

HANDLER = """
    from astraea.edge_server import Image
    from astraea.protocol import Box, Detection
    def predict(model, image: Image) -> list[Detection]:
        return [Detection(label="all", score=1, box=Box(20, 60, 200, 100))]
"""


@pytest.fixture
async def client(start_server: StartServer, write_service: WriteService) -> AsyncIterator[httpx.AsyncClient]:
    with start_server(write_service(HANDLER), "--workers", 1).client() as ready:  # in their order, therefore
        async with httpx.AsyncClient(base_url=ready.base_url, timeout=20) as client:
            yield client


def session_of(publisher: Publisher) -> str:
    return publisher.url.rpartition("/")[2]


async def test_results_are_events_until_the_session_ends(client: httpx.AsyncClient) -> None:
    async with (
        publishing(client, 1) as publisher,
        client.stream("GET", f"/results/{session_of(publisher)}") as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        results = []
        lines = response.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                results.append(json.loads(line.removeprefix("data: ")))
            if sum(result["status"] == 200 for result in results) == 3:
                break
        for result in results:  # where the machine is busy, some frames are passed over for newer ones
            if result["status"] == 200:
                assert result["result"]["detections"][0]["label"] == "all"
            else:
                assert result["problem"]["status"] == result["status"] == 503
        answered = [result["frame_id"] for result in results if result["status"] == 200]
        assert answered == sorted(set(answered))
        await client.delete(publisher.url)
        assert "event: end" in [line async for line in lines]


async def test_the_video_is_motion_jpeg_with_the_boxes_drawn(client: httpx.AsyncClient) -> None:
    async with (
        publishing(client, 1) as publisher,
        client.stream("GET", f"/video/{session_of(publisher)}") as response,
    ):
        assert response.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if body.count(b"--frame") == 2:
                break
    jpeg = body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--frame")[0]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    assert image.shape == (120, 240, 3)
    assert int(image[80, 20, 0]) > int(image[80, 20, 1]) + 30  # the red of a box, through JPEG


async def test_a_session_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/results/nothing", "/video/nothing", "/whip/nothing"):
        assert (await client.delete(path) if "whip" in path else await client.get(path)).status_code == 404
