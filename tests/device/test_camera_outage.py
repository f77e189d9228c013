"""Live cameras that stall, break off and come back: doubles for what hangs, a real RTSP server for what is killed."""

import logging
import threading
import time

import numpy as np
import pytest

from astraea.device import Camera, CameraError, Frame, open_camera
from astraea.device.camera import live
from astraea.device.camera.live import LiveCamera
from tests.conftest import RtspServer
from tests.device.conftest import wait_until


class Shaky(Camera):
    """Gives some frames, then breaks or hangs."""

    def __init__(self, frames: int, *, hang: threading.Event | None = None) -> None:
        self.frames = frames
        self.hang = hang
        self.seq = 0
        self.closed = False

    def read(self) -> Frame:
        if self.seq == self.frames:
            if self.hang is None:
                raise CameraError("the cable is out")
            self.hang.wait()
        self.seq += 1
        time.sleep(0.01)
        return Frame(np.zeros((2, 2, 3), np.uint8), self.seq - 1, time.monotonic())

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_RETRY_S", 0.02)
    monkeypatch.setattr(live, "_LOOK_S", 0.02)


@pytest.mark.parametrize("eager", [True, False])
def test_a_camera_that_breaks_is_reported_closed_and_opened_again(
    eager: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "astraea.device.camera")
    first, second = Shaky(3), Shaky(1000)
    opened: list[Camera] = []

    def reopen() -> Camera:
        opened.append(second)
        if len(opened) < 3:
            raise CameraError("still out")
        return second

    with LiveCamera(first, reopen, "the camera", eager=eager) as camera:
        seqs = []
        while second.seq < 5:
            frame = camera.read()
            assert frame is not None
            seqs.append(frame.seq)
        assert camera.trouble is None
    assert seqs == list(range(len(seqs)))
    assert first.closed
    assert second.closed
    assert caplog.messages[0] == "the cable is out; it is opened again as soon as it can be"
    assert "the camera is back after" in caplog.messages[1]
    assert len(caplog.messages) == 2


def test_a_driver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALL_S", 0.1)
    monkeypatch.setattr(live, "_HANG_S", 0.3)
    hang = threading.Event()
    stuck, fresh = Shaky(0, hang=hang), Shaky(1000)
    with LiveCamera(stuck, lambda: fresh, "the camera") as camera:
        assert camera.read() is not None
        assert fresh.seq > 0
        assert not stuck.closed
        hang.set()
        wait_until(lambda: stuck.closed)
        assert camera.trouble is None


def test_a_reader_with_little_patience_is_told_and_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    with LiveCamera(Shaky(0, hang=hang), lambda: Shaky(0), "the camera", patience_s=0.05) as camera:
        with pytest.raises(CameraError, match=r"the camera gave no picture for 0\.\d s") as caught:
            camera.read()
        assert caught.value.hint
        hang.set()
        assert camera.read() is not None


def test_a_camera_that_nobody_reads_is_left_alone_unless_it_is_eager() -> None:
    lazy, eager = Shaky(1000), Shaky(1000)
    with (
        LiveCamera(lazy, lambda: lazy, "lazy", eager=False) as camera,
        LiveCamera(eager, lambda: eager, "eager"),
    ):
        wait_until(lambda: eager.seq > 5)
        assert lazy.seq == 0
        assert camera.read() is not None
    assert lazy.seq == 1


def test_a_closed_camera_says_so() -> None:
    camera = LiveCamera(Shaky(1000), lambda: Shaky(1), "the camera")
    camera.close()
    camera.close()
    camera._newest = None  # one may have been left
    with pytest.raises(CameraError, match="the camera is closed"):
        camera.read()


def test_an_rtsp_camera_that_was_restarted_is_connected_to_again(rtsp_server: RtspServer) -> None:
    with open_camera(rtsp_server.url) as camera:
        before = camera.read()
        assert before is not None
        assert before.image.shape == (240, 320, 3)
        assert before.image[..., 0].mean() > 200
        assert before.image[..., 1:].mean() < 50
        rtsp_server.kill()
        wait_until(lambda: camera.trouble is not None)
        assert camera.trouble is not None
        assert "127.0.0.1" in camera.trouble
        rtsp_server.start()
        wait_until(lambda: camera.trouble is None)
        after = camera.read()
        assert after is not None
        assert after.captured_at > before.captured_at
