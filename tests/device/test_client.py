"""The client against edges that misbehave; the transport double answers, stalls, refuses or babbles as it is told."""

import asyncio
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device import CorruptError, DeviceError, OffloadClient, RefusedError, Reply, UnreachableError
from astraea.protocol import Box, Detection, Detections, Result, ServerTiming

IMAGE = np.zeros((48, 64, 3), np.uint8)
FOUND_LOCALLY = Detection(label="local", score=0.9, box=Box(0, 0, 1, 1))
FOUND_REMOTELY = Detection(label="edge", score=0.9, box=Box(0, 0, 1, 1))
ANSWER = Detections(detections=(FOUND_REMOTELY,)).model_dump_json().encode()


class Edge:
    """A remote target: `behaviour` is what comes of a frame, and of a probe while `probes_pass` is False."""

    def __init__(self) -> None:
        self.behaviour: Callable[[], bytes] = lambda: ANSWER
        self.delay_s = 0.0
        self.probes_pass = True
        self.frames = 0

    async def send(self, payload: bytes, media_type: str, **context: object) -> Reply:
        assert media_type == "image/jpeg"
        assert payload.startswith(b"\xff\xd8")
        self.frames += 1
        start = time.perf_counter()
        await asyncio.sleep(self.delay_s)
        return Reply(self.behaviour(), ServerTiming(), (time.perf_counter() - start) * 1000, "edge-1", "1.0.0-abc")

    async def probe(self, payload: bytes) -> Reply:
        if not self.probes_pass:
            self.behaviour()
        return Reply(b"", ServerTiming(), 0.1)

    async def close(self) -> None:
        pass


class SlowDetector:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        time.sleep(self.seconds)
        return [FOUND_LOCALLY]


def fail_with(error: Exception) -> Callable[[], bytes]:
    def behaviour() -> bytes:
        raise error

    return behaviour


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
def client(edge: Edge) -> Iterator[OffloadClient]:
    """A device that takes 0.15 s for a frame, beside an edge that takes no time."""
    with OffloadClient("s", local=SlowDetector(0.15), edges=["http://edge"], transport=lambda _: edge) as client:
        yield client


def infer_until(client: OffloadClient, wanted: Callable[[Result], bool], seconds: float = 5.0) -> Result:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = client.infer(IMAGE)
        assert result.answered
        if wanted(result):
            return result
    pytest.fail(f"not within {seconds} s")


def test_the_sooner_target_answers_and_the_result_says_who_it_was(client: OffloadClient) -> None:
    result = client.infer(IMAGE)
    assert result.tier == "edge"
    assert result.detections == (FOUND_REMOTELY,)
    assert (result.instance, result.revision) == ("edge-1", "1.0.0-abc")
    assert result.bytes_sent > 0
    assert result.fallback is None


def test_an_app_may_say_that_a_server_is_in_the_cloud() -> None:
    with OffloadClient("s", clouds=["http://far"], transport=lambda _: Edge()) as client:
        assert client.infer(IMAGE).source == "cloud/edge-1@1.0.0-abc"
        assert [(target.name, target.tier) for target in client.snapshot().targets] == [("http://far", "cloud")]


def test_a_fast_device_keeps_its_frames(edge: Edge) -> None:
    edge.delay_s = 0.1
    with OffloadClient("s", local=SlowDetector(0), edges=["http://edge"], transport=lambda _: edge) as client:
        infer_until(client, lambda result: result.tier == "device")
        assert [client.infer(IMAGE).tier for _ in range(5)] == ["device"] * 5


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (fail_with(UnreachableError("connection refused")), "connection refused"),
        (fail_with(RefusedError("503: full")), "503: full"),
        (fail_with(CorruptError("nonsense")), "nonsense"),
        (lambda: b"<html>", "sent no answer"),
        (lambda: b'{"detections": [{"label": 1}]}', "sent no answer"),
        (lambda: b"", "sent no answer"),
    ],
)
def test_what_the_edge_cannot_answer_the_device_does_and_says_why(
    client: OffloadClient, edge: Edge, behaviour: Callable[[], bytes], reason: str
) -> None:
    for _ in range(5):  # on a busy machine the device may begin before the edge has failed
        infer_until(client, lambda result: result.tier == "edge")
        edge.behaviour, edge.probes_pass = behaviour, False
        result = client.infer(IMAGE)
        assert result.tier == "device"
        assert result.detections == (FOUND_LOCALLY,)
        if not result.hedged:
            break
        edge.behaviour, edge.probes_pass = (lambda: ANSWER), True
    assert result.fallback is not None
    assert reason in result.fallback
    after = client.infer(IMAGE)
    assert (after.tier, after.fallback) == ("device", None)
    edge.behaviour, edge.probes_pass = (lambda: ANSWER), True
    infer_until(client, lambda result: result.tier == "edge")


def test_an_edge_that_falls_silent_is_overtaken_by_the_device(client: OffloadClient, edge: Edge) -> None:
    edge.delay_s = 60
    result = client.infer(IMAGE)
    assert result.tier == "device"
    assert "nothing from" in (result.fallback or "")
    assert client.infer(IMAGE).fallback is None  # it is not tried again while the first frame is out


def test_an_outage_of_a_device_without_a_model_never_looks_like_nothing_found(edge: Edge) -> None:
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: edge) as client:
        assert client.infer(IMAGE).detections == (FOUND_REMOTELY,)
        edge.behaviour = fail_with(UnreachableError("connection refused"))
        result = client.infer(IMAGE)
    assert not result.answered
    assert result.detections is None
    assert result.tier is None
    assert result.failure == "connection refused"


def test_without_a_model_the_next_edge_answers_what_the_first_could_not(edge: Edge) -> None:
    spare = Edge()
    edges = {"http://first": edge, "http://second": spare}
    with OffloadClient("s", edges=list(edges), transport=edges.__getitem__) as client:
        edge.behaviour = spare.behaviour = lambda: ANSWER
        for broken, working in ((edge, spare), (spare, edge)):
            broken.behaviour, working.behaviour = fail_with(UnreachableError("gone")), lambda: ANSWER
            assert client.infer(IMAGE).answered


def test_a_service_that_detects_nothing_gives_its_answer_as_it_came(client: OffloadClient, edge: Edge) -> None:
    edge.behaviour = lambda: b'{"output": 7}'
    result = client.infer(IMAGE)
    assert result.output == {"output": 7}
    assert result.detections is None


def test_neither_broker_nor_edge_leaves_the_device_to_itself() -> None:
    with OffloadClient("s", local=SlowDetector(0), broker="http://127.0.0.1:9") as client:
        result = client.infer(IMAGE)
    assert result.tier == "device"


def test_what_is_no_picture_is_refused_with_the_shape_it_should_have(edge: Edge) -> None:
    with (
        OffloadClient("s", edges=["http://edge"], transport=lambda _: edge) as client,
        pytest.raises(DeviceError, match=r"H x W x 3, not float64 of shape \(4, 4\)"),
    ):
        client.infer(np.zeros((4, 4)))  # type: ignore[arg-type]  # what an app without a type checker might do


def test_a_stream_answers_every_frame_in_order(client: OffloadClient) -> None:
    from astraea.device import Frame

    frames = [Frame(image=IMAGE, seq=seq, captured_at=0.0) for seq in range(5)]
    assert [result.seq for result in client.stream(frames)] == list(range(5))
