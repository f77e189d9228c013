"""Cameras by their addresses: files that are really there, a network camera on this machine, a double of picamera2."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device import CameraError, open_camera

SIZE = (64, 48)


def picture(shade: int) -> NDArray[np.uint8]:
    """Pure red of some brightness, so that a swap of channels shows."""
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[..., 0] = shade
    return image


def jpeg(shade: int) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(picture(shade), cv2.COLOR_RGB2BGR))[1].tobytes()


def is_red(image: NDArray[np.uint8]) -> bool:
    return bool(image[..., 0].mean() > 60 and image[..., 1:].mean() < 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, suffix in enumerate([".jpg", ".png", ".webp", ".bmp"]):
        cv2.imwrite(str(tmp_path / f"{index}{suffix}"), cv2.cvtColor(picture(100 + index * 40), cv2.COLOR_RGB2BGR))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE)
    for index in range(6):
        writer.write(cv2.cvtColor(picture(100 + 20 * index), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_a_folder_gives_its_images_by_name_in_rgb(folder: Path) -> None:
    with open_camera(str(folder)) as camera:
        frames = list(camera)
    assert [frame.seq for frame in frames] == [0, 1, 2, 3]
    assert all(frame.image.shape == (48, 64, 3) and is_red(frame.image) for frame in frames)
    shades = [float(frame.image[..., 0].mean()) for frame in frames]
    assert shades == sorted(shades)
    assert all(frame.truth is None for frame in frames)


def test_one_image_is_a_camera_of_one_frame(folder: Path) -> None:
    with open_camera(str(folder / "0.jpg")) as camera:
        assert len(list(camera)) == 1


def test_a_damaged_image_is_named_and_the_next_one_is_read(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with open_camera(str(folder)) as camera:
        camera.read()
        with pytest.raises(CameraError, match=r"1\.png is damaged or not an image"):
            camera.read()
        frame = camera.read()
    assert frame is not None
    assert is_red(frame.image)


def test_an_image_of_too_many_pixels_or_bytes_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astraea.device.camera.files.MAX_IMAGE_PX", 64 * 48 - 1)
    with open_camera(str(folder / "0.jpg")) as camera, pytest.raises(CameraError, match="has 64 x 48 px"):
        camera.read()
    monkeypatch.setattr("astraea.device.camera.files.MAX_IMAGE_BYTES", 10)
    with open_camera(str(folder / "0.jpg")) as camera, pytest.raises(CameraError, match="an image may have 10"):
        camera.read()


def test_a_video_gives_every_frame_and_ends(video: Path) -> None:
    with open_camera(str(video)) as camera:
        frames = list(camera)
    assert [frame.seq for frame in frames] == list(range(6))
    assert all(is_red(frame.image) for frame in frames)


def test_a_pace_is_kept_where_one_is_asked_for(video: Path) -> None:
    start = time.monotonic()
    with open_camera(str(video), fps=50) as camera:
        *_, last = camera
    assert last.captured_at >= start + 5 / 50


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("/dev/video987", "there is no camera /dev/video987"),
        ("usb:987", "there is no camera /dev/video987"),
        ("987", "there is no camera /dev/video987"),
        ("no/such/video.mp4", "there is no file or folder no/such/video.mp4"),
        ("ftp://host/x", "no kind of camera called 'ftp'"),
        ("rtsp://user:secret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x gives no video"),
        ("picamera2:x", "'x' is not the number of a camera"),
        ("synthetic:?colour=red", "colour=red is no option"),
        ("synthetic:?frames=many", "frames=many is no option"),
        ("synthetic://host", "options of the synthetic scene follow a `?`"),
    ],
)
def test_a_camera_that_is_not_there_is_refused_with_what_to_do(uri: str, message: str) -> None:
    with pytest.raises(CameraError) as caught:
        open_camera(uri)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


def test_nothing_but_the_error_is_said_of_a_network_camera_that_is_off() -> None:
    script = "from astraea.device import *\ntry: open_camera('rtsp://127.0.0.1:9/x')\nexcept CameraError: pass"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")


def test_an_empty_folder_and_a_file_that_is_no_video_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "video.mp4").write_bytes(bytes(1000))
    with pytest.raises(CameraError, match="no image in the folder"):
        open_camera(str(tmp_path / "folder"))
    with pytest.raises(CameraError, match="damaged or not a video"):
        open_camera(str(tmp_path / "video.mp4"))


@pytest.mark.parametrize(("size", "fps"), [((0, 480), None), ((640, 100_000), None), (None, 0), (None, 1e9)])
def test_an_impossible_size_or_rate_is_refused(size: tuple[int, int] | None, fps: float | None) -> None:
    with pytest.raises(CameraError, match="possible"):
        open_camera("synthetic:", size=size, fps=fps)


@pytest.fixture
def network_camera() -> Iterator[str]:
    """Motion JPEG over HTTP, 50 frames a second, ever brighter, without an end until the test's."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            shade = 100
            while not over.wait(0.02):
                part = jpeg(min(255, shade))
                self.wfile.write(b"--frame\r\ncontent-type: image/jpeg\r\n\r\n" + part + b"\r\n")
                shade += 1

        def log_message(self, *arguments: object) -> None:
            """Not into the test's output."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            """The camera hangs up when it is closed."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/stream.mjpg"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_network_camera_gives_its_newest_frame_to_a_slow_reader(network_camera: str) -> None:
    with open_camera(network_camera) as camera:
        first = camera.read()
        time.sleep(0.6)  # thirty frames go by
        before = time.monotonic()
        second = camera.read()
    assert first is not None
    assert second is not None
    assert (first.seq, second.seq) == (0, 1)
    assert second.captured_at > before - 0.3
    assert second.image[..., 0].mean() > first.image[..., 0].mean() + 10


def test_a_network_camera_that_goes_away_is_an_error_not_a_hang(peer: Any) -> None:
    parts = [b"--frame\r\ncontent-type: image/jpeg\r\n\r\n" + jpeg(100 + shade) + b"\r\n" for shade in range(20)]
    peer.reply = peer.reply._replace(
        body=b"".join(parts), headers=(("content-type", "multipart/x-mixed-replace; boundary=frame"),)
    )
    with (
        open_camera(f"{peer.url}/stream.mjpg", patience_s=0.1) as camera,
        pytest.raises(CameraError, match=r"/stream\.mjpg has stopped") as caught,
    ):
        list(camera)
    assert caught.value.hint


class Picamera2:
    """The calls that a Pi camera is used by, as picamera2 0.3 has them."""

    cameras: ClassVar[list[dict[str, str]]] = [{"Model": "imx708"}]
    made: ClassVar[list["Picamera2"]] = []

    def __init__(self, number: int) -> None:
        self.number = number
        self.configuration: dict[str, Any] = {}
        self.running = self.closed = self.stalled = False
        self.released = 0
        Picamera2.made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, str]]:
        return Picamera2.cameras

    def create_video_configuration(self, **configuration: Any) -> dict[str, Any]:
        assert set(configuration) == {"main", "buffer_count", "controls", "queue"}
        return configuration

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def start(self) -> None:
        self.running = True

    def capture_request(self, *, wait: float) -> "Picamera2":
        assert self.running
        assert wait > 0
        if self.stalled:
            raise TimeoutError
        return self

    def make_array(self, stream: str) -> NDArray[np.uint8]:
        assert stream == "main"
        width, height = self.configuration["main"]["size"]
        image = np.zeros((height, width, 3), np.uint8)
        # "BGR888" lies in memory as R, G, B
        image[..., 0 if self.configuration["main"]["format"] == "BGR888" else 2] = 200
        return image

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": 12_500_000_000}

    def release(self) -> None:
        self.released += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    module = ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]  # what makes it a double
    monkeypatch.setitem(sys.modules, "picamera2", module)
    Picamera2.made = []
    return Picamera2


def test_a_pi_camera_delivers_rgb_with_the_time_of_its_exposure(picamera2: type[Picamera2]) -> None:
    with open_camera("picamera2:", size=SIZE, fps=30) as camera:
        frames = [camera.read(), camera.read()]
    [driver] = picamera2.made
    assert driver.configuration["main"] == {"size": SIZE, "format": "BGR888"}
    assert driver.configuration["controls"] == {"FrameRate": 30}
    assert [frame.seq for frame in frames if frame] == [0, 1]
    assert all(frame is not None and is_red(frame.image) and frame.captured_at == 12.5 for frame in frames)
    assert driver.released == 2
    assert driver.closed


def test_a_pi_camera_that_stalls_is_an_error_not_a_hang(picamera2: type[Picamera2]) -> None:
    with open_camera("pi", patience_s=0.1) as camera:
        picamera2.made[0].stalled = True
        with pytest.raises(CameraError, match="gave no picture"):
            camera.read()


def test_a_pi_camera_that_is_not_connected_is_refused(picamera2: type[Picamera2]) -> None:
    with pytest.raises(CameraError, match="there is no Pi camera 3: libcamera finds 1"):
        open_camera("picamera2:3")


def test_without_picamera2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match="needs picamera2") as caught:
        open_camera("picamera2:")
    assert "astraea[pi]" in (caught.value.hint or "")
