"""Streams of frames: bounded, fresh, in the order asked for, for `for`, `async for` and callbacks."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device import CameraError, DeviceError, Event, Frame, FrameDropped, OffloadClient, Reply, Stream
from astraea.device.streaming import stream as stream_module
from astraea.device.streaming.delivery import Late
from astraea.protocol import Box, Detection, Detections, Result, ServerTiming

from .conftest import wait_until
from .test_client import Edge
from .test_tracking import scene, thing

IMAGE = np.zeros((48, 64, 3), np.uint8)


def frames(count: int) -> Iterator[Frame]:
    return (Frame(image=IMAGE, seq=seq, captured_at=time.monotonic()) for seq in range(count))


def reading() -> bool:
    """Whether a camera is read by a stream."""
    return any(thread.name == "astraea-reader" for thread in threading.enumerate())


async def collect(stream: Stream) -> list[Result]:
    return [result async for result in stream]


class HeldEdge(Edge):
    """Answers each frame when the test says so; frames are told apart by the order in which they come."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Future[None]] = []

    async def send(self, payload: bytes, media_type: str, **context: object) -> Reply:
        answer: Future[None] = Future()
        self.answers.append(answer)
        self.frames += 1
        await asyncio.wrap_future(answer)
        return Reply(self.behaviour(), ServerTiming(), 1.0)

    def let_go(self, number: int) -> None:
        self.answers[number].set_result(None)


class LiveCamera:
    """Has a new frame whenever it is asked, as a camera with a short exposure has; `read` are those it gave."""

    def __init__(self) -> None:
        self.read = 0
        self.stopped = False

    def __iter__(self) -> Iterator[Frame]:
        while not self.stopped:
            image = np.full_like(IMAGE, self.read % 256)
            yield Frame(image=image, seq=self.read, captured_at=time.monotonic())
            self.read += 1


def test_results_come_in_order_one_for_each_frame() -> None:
    edge = Edge()
    edge.delay_s = 0.01
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: edge) as client:
        assert [result.seq for result in client.stream(frames(20))] == list(range(20))


def test_a_stream_is_an_async_iterator_too() -> None:
    async def main() -> list[int]:
        async with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client:
            assert (await client.infer_async(IMAGE)).answered
            return [result.seq async for result in client.stream(frames(10))]

    assert asyncio.run(main()) == list(range(10))


def test_several_frames_are_under_way_but_never_more_than_asked_for() -> None:
    edge, camera = HeldEdge(), LiveCamera()
    with (
        OffloadClient("s", edges=["http://edge"], transport=lambda _: edge, in_flight=3) as client,
        client.stream(camera),
    ):
        wait_until(lambda: edge.frames == 3)
        time.sleep(0.1)  # a fourth would be sent by now
        assert edge.frames == 3
        assert camera.read <= 3
        assert client.snapshot().in_flight == 3
        edge.let_go(1)
        edge.let_go(0)
        wait_until(lambda: edge.frames == 5)
        camera.stopped = True


def test_a_reader_of_results_that_is_slow_holds_the_camera_back() -> None:
    camera = LiveCamera()
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge(), in_flight=2) as client:
        results = iter(client.stream(camera))
        next(results)
        time.sleep(0.2)  # hundreds could be answered by now
        assert camera.read <= 8
        camera.stopped = True
        list(results)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ("wait", [(0, False), (1, False), (2, False)]),
        ("drop", [(1, False), (2, False)]),
        ("stale", [(1, False), (0, True), (2, False)]),
    ],
)
def test_an_answer_that_was_overtaken_waits_is_dropped_or_is_marked(
    late: Late, expected: list[tuple[int, bool]]
) -> None:
    edge = HeldEdge()
    with (
        OffloadClient("s", edges=["http://edge"], transport=lambda _: edge, late=late) as client,
        client.stream(frames(3)) as stream,
    ):
        wait_until(lambda: edge.frames == 3)
        for answered, number in enumerate((1, 0, 2), start=1):
            edge.let_go(number)
            wait_until(lambda count=answered: client.snapshot().answered == count)  # type: ignore[misc]
        assert [(result.seq, result.stale) for result in stream] == expected


def test_a_device_by_itself_takes_a_frame_when_it_can_begin_on_it() -> None:
    camera, waited = LiveCamera(), list[int]()

    class Detector:
        def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
            time.sleep(0.01)
            waited.append(camera.read - int(image[0, 0, 0]))
            return []

    with OffloadClient("s", local=Detector(), broker="http://127.0.0.1:9") as client:
        waited.clear()  # of the warm-up
        for result in client.stream(camera):
            camera.stopped = result.seq >= 5
    assert max(waited) <= 1  # no frame was read while an earlier one waited for the device


def test_what_the_camera_raises_comes_after_the_results_before_it() -> None:
    def unplugged() -> Iterator[Frame]:
        yield from frames(2)
        raise CameraError("unplugged")

    seen: list[int] = []
    with (
        OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client,
        pytest.raises(CameraError, match="unplugged"),
    ):
        seen.extend(result.seq for result in client.stream(unplugged()))
    assert seen == [0, 1]


def test_leaving_the_loop_lets_go_of_the_camera() -> None:
    camera = LiveCamera()
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client:
        for _ in client.stream(camera):
            break
        assert not reading()
        read = camera.read
        assert client.infer(IMAGE).answered
    assert camera.read == read


@pytest.mark.parametrize("read", [list, lambda stream: asyncio.run(collect(stream))])
def test_what_was_found_is_carried_to_the_newest_frame_when_tracked(read: Callable[[Stream], list[Result]]) -> None:
    edge, found = HeldEdge(), thing(Box(200, 200, 280, 280))
    edge.behaviour = lambda: Detections(detections=(found,)).model_dump_json().encode()
    moving = [Frame(scene(200 + 8 * seq, 200), seq, time.monotonic()) for seq in range(3)]
    with (
        OffloadClient("s", edges=["http://edge"], transport=lambda _: edge) as client,
        client.stream(moving, track=True) as stream,
    ):
        with pytest.raises(DeviceError, match="no newest frame"):
            _ = stream.frame
        wait_until(lambda: edge.frames == 3)
        for number in range(3):
            edge.let_go(number)
        results = read(stream)
        assert stream.frame is moving[2]
    assert [result.carried_to for result in results] == [2, 2, None]
    boxes = [detection.box for result in results for detection in result.detections or ()]
    assert [box.x1 for box in boxes] == pytest.approx([216, 208, 200], abs=1)


def test_a_second_reader_is_refused_and_the_first_one_goes_on() -> None:
    edge, seen = HeldEdge(), list[int]()
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: edge) as client:
        stream = client.stream(frames(2))
        first = threading.Thread(target=lambda: seen.extend(result.seq for result in stream))
        first.start()
        wait_until(lambda: edge.frames == 2)
        with pytest.raises(DeviceError, match="read by one loop"):
            next(iter(stream))
        with pytest.raises(DeviceError, match="read by one loop"):
            asyncio.run(collect(stream))
        edge.let_go(0)
        edge.let_go(1)
        first.join(20)
        assert list(stream) == []
    assert seen == [0, 1]


def test_closing_waits_for_a_camera_that_is_being_read() -> None:
    begun = threading.Event()

    def slow() -> Iterator[Frame]:
        begun.set()
        time.sleep(0.2)
        yield from frames(1)

    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client, client.stream(slow()):
        begun.wait(20)
        assert reading()
    assert not reading()


def test_closing_leaves_a_camera_alone_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_LEAVE_S", 0.05)
    begun, freed = threading.Event(), threading.Event()

    def hanging() -> Iterator[Frame]:
        begun.set()
        freed.wait(20)
        yield from frames(1)

    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client:
        stream = client.stream(hanging())
        with stream:
            begun.wait(20)
        assert reading()
        freed.set()
        wait_until(lambda: not reading())


def test_a_callback_may_close_a_stream() -> None:
    camera = LiveCamera()
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client:
        stream = client.stream(camera)
        client.listen(lambda _: stream.close())
        assert len(list(stream)) <= 1
        assert not reading()


def test_a_client_that_is_closed_ends_its_streams() -> None:
    edge = HeldEdge()
    with OffloadClient("s", edges=["http://edge"], transport=lambda _: edge) as client:
        stream = iter(client.stream(frames(3)))
        ended = threading.Thread(target=lambda: list(stream))
        ended.start()
        wait_until(lambda: edge.frames == 3)
    ended.join(20)
    assert not ended.is_alive()


def test_frames_handed_over_faster_than_answered_give_way_to_newer_ones() -> None:
    edge, events, results = HeldEdge(), list[Event](), list[Result]()
    with OffloadClient(
        "s", edges=["http://edge"], transport=lambda _: edge, in_flight=1, on_event=events.append
    ) as client:
        for frame in frames(10):
            client.submit(frame, results.append)
        wait_until(lambda: edge.frames == 1)
        edge.let_go(0)
        wait_until(lambda: edge.frames == 2)
        edge.let_go(1)
        wait_until(lambda: len(results) == 2)
        dropped = [event.seq for event in events if isinstance(event, FrameDropped)]
        assert [result.seq for result in results] == [0, 9]
        assert dropped == list(range(1, 9))
        assert client.snapshot().dropped == 8


def test_a_callback_that_fails_costs_no_frame(caplog: pytest.LogCaptureFixture) -> None:
    def callback(result: Result) -> None:
        raise ValueError("bug")

    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client:
        client.submit(IMAGE, callback)
        wait_until(lambda: "a callback failed" in caplog.text)
        assert client.infer(IMAGE).answered


def test_what_is_no_picture_is_refused_where_it_is_handed_over() -> None:
    def misshapen() -> Iterator[Frame]:
        yield Frame(image=np.zeros((4, 4), np.uint8), seq=0, captured_at=0.0)

    with OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge()) as client:
        with pytest.raises(DeviceError, match="H x W x 3"):
            client.submit(np.zeros((4, 4), np.uint8), lambda _: None)
        with pytest.raises(DeviceError, match="H x W x 3"):
            list(client.stream(misshapen()))


def test_a_client_says_when_it_is_not_open_and_when_it_would_wait_for_itself() -> None:
    client = OffloadClient("s", edges=["http://edge"], transport=lambda _: Edge())
    with pytest.raises(DeviceError, match="not open"):
        client.infer(IMAGE)
    refusals: list[str] = []

    def callback(result: Result) -> None:
        try:
            client.infer(IMAGE)
        except DeviceError as error:
            refusals.append(str(error))

    with client:
        client.submit(IMAGE, callback)
        wait_until(lambda: bool(refusals))
    assert "on its own thread" in refusals[0]
    with pytest.raises(DeviceError, match="not open"):
        client.snapshot()
    with pytest.raises(DeviceError, match="opened once"), client:
        pass


@pytest.mark.parametrize("in_flight", [0, 65])
def test_the_number_in_flight_has_its_bounds(in_flight: int) -> None:
    with pytest.raises(DeviceError, match="in_flight must be 1 to 64"):
        OffloadClient("s", edges=["http://edge"], in_flight=in_flight)
