"""The viewer: its messages, its server, and its page in a real browser, over a client and an edge that are real."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.common.by import By

from astraea.device import Camera, DeviceError, Frame, OffloadClient
from astraea.device.events import BrokerLost, FrameDropped, TargetLost, TargetSwitched
from astraea.device.snapshot import Snapshot, TargetState
from astraea.device.viewer import Board, Gallery, ViewerServer, Watched
from astraea.device.viewer.notes import describe
from astraea.protocol import Box, Detection, Detections
from tests.conftest import complaints
from tests.device.conftest import HttpReply, Peer, wait_until

FOUND = Detection(label="car", score=0.9, box=Box(10, 20, 50, 40))


class Red(Camera):
    """A red picture, ten times a second, until it is told to end; `trouble` as a test says."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.seq = 0
        self.says: str | None = None

    def read(self) -> Frame | None:
        if self.over.wait(0.1):
            return None
        self.seq += 1
        return Frame(np.full((60, 80, 3), (200, 0, 0), np.uint8), self.seq - 1, time.monotonic())

    @property
    def trouble(self) -> str | None:
        return self.says


class Detector:
    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        time.sleep(0.05)
        return [FOUND]


class Loop(NamedTuple):
    """A camera loop that runs on a thread, watched."""

    camera: Red
    board: Board
    gallery: Gallery
    url: str


def answering(peer: Peer) -> None:
    peer.reply = HttpReply(
        body=Detections(detections=(FOUND,)).model_dump_json().encode(),
        headers=(("server-timing", "total;dur=0.1"), ("astraea-instance", "edge-7")),
    )


@contextmanager
def looping(peer: Peer, host: str = "127.0.0.1") -> Iterator[Loop]:
    answering(peer)
    camera, board, gallery = Red(), Board(), Gallery()
    watched = Watched("rtsp://camera/live", board, gallery)
    with (
        OffloadClient("cars", local=Detector(), edges=[peer.url], on_event=watched.hear) as client,
        ViewerServer(board, gallery, host=host) as server,
    ):
        thread = threading.Thread(target=lambda: list(watched.run(camera, client)))
        thread.start()
        try:
            yield Loop(camera, board, gallery, server.url)
        finally:
            camera.over.set()
            thread.join()


def documents(board: Board, kind: str) -> list[dict[str, Any]]:
    return [json.loads(message.text) for message in board.after(0, 0) if message.kind == kind]


def test_results_states_and_decisions_become_messages(peer: Peer) -> None:
    with looping(peer) as loop:
        wait_until(lambda: len(documents(loop.board, "frame")) >= 3 and documents(loop.board, "note"))
        loop.camera.says = "the cable is out"
        wait_until(lambda: "the cable is out" in str(documents(loop.board, "note")))
        frame = documents(loop.board, "frame")[-1]
    assert frame["shown_seq"] == frame["seq"]
    assert frame["source"] == "edge/edge-7"
    assert frame["detections"][0]["box"] == [10, 20, 50, 40]
    assert any(note["text"].startswith("now ") for note in documents(loop.board, "note"))
    [state] = documents(loop.board, "state")
    assert state["camera"] == "rtsp://camera/live"
    assert state["trouble"] == "the cable is out"
    assert state["over"] is True
    assert state["answered"] >= 3
    assert {target["name"] for target in state["targets"]} == {"local", peer.url}


def test_with_a_tracker_the_newest_frame_is_shown(peer: Peer) -> None:
    answering(peer)
    peer.delay_s = 0.25
    camera, board = Red(), Board()
    watched = Watched("camera", board, Gallery(), track=True)
    with OffloadClient("cars", edges=[peer.url]) as client:
        for _ in zip(range(4), watched.run(camera, client), strict=False):
            pass
    frames = documents(board, "frame")
    assert all(frame["shown_seq"] >= frame["seq"] for frame in frames)
    assert any(frame["shown_seq"] == frame["carried_to"] for frame in frames)
    assert frames[-1]["detections"][0]["label"] == "car"


def test_the_board_keeps_what_is_recent_and_gives_each_watcher_what_is_new() -> None:
    board = Board()
    for number in range(700):
        board.post("frame", {"n": number})
        board.post("state", {"n": number})
    board.post("note", {"n": 0})
    messages = board.after(0, 0)
    assert [message.kind for message in messages].count("state") == 1
    assert [message.kind for message in messages].count("frame") == 600
    assert [message.number for message in messages] == sorted(message.number for message in messages)
    assert board.after(messages[-1].number, 0) == []
    assert messages[-1].encode() == b'id: 1401\nevent: note\ndata: {"n":0}\n\n'


def test_the_gallery_forgets_old_pictures() -> None:
    gallery = Gallery()
    for seq in range(20):
        gallery.add(Frame(np.zeros((4, 4, 3), np.uint8), seq, 0.0))
    assert gallery.jpeg(0) is None
    assert (gallery.jpeg(19) or b"").startswith(b"\xff\xd8")


SNAPSHOT = Snapshot(
    service="cars",
    targets=(
        TargetState(name="local", tier="device", usable=True, in_use=False, predicted_ms=203.4),
        TargetState(name="edge-1", tier="edge", usable=True, in_use=True, predicted_ms=41.0),
        TargetState(name="edge-2", tier="edge", usable=False, in_use=False),
    ),
    in_flight=0,
    answered=1,
    unanswered=0,
    dropped=0,
)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            TargetSwitched("local", "edge-1", 40.6),
            "now edge-1, 41 ms expected; the device would take 203 ms; edge-2 is not usable",
        ),
        (TargetLost("edge-1", "answered 503: full"), "edge-1 is lost: answered 503: full"),
        (BrokerLost("it is away"), "the broker is lost, its last answer is used on: it is away"),
        (FrameDropped(3, "0" * 32), None),
    ],
)
def test_a_decision_is_told_with_its_reason(event: Any, text: str | None) -> None:
    assert describe(event, SNAPSHOT) == text


def get(url: str, path: str, **headers: str) -> tuple[int, Any, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 0, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def test_the_page_refers_to_what_is_here_only() -> None:
    with ViewerServer(Board(), Gallery()) as server:
        for path in ("/", "/viewer.css", "/viewer.js", "/chart.js", "/picture.js"):
            status, headers, body = get(server.url, path)
            assert status == 200
            assert b"//" not in body.replace(b"// ", b"")
            assert headers["content-security-policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("path", ["/nothing", "/frames/1.jpg", "/frames/-1.jpg", "/frames/x.jpg", "/../server.py"])
def test_nothing_else_is_handed_out(path: str) -> None:
    with ViewerServer(Board(), Gallery()) as server:
        assert get(server.url, path)[0] == 404


def test_a_name_that_is_not_this_machine_s_is_refused_on_loopback() -> None:
    with ViewerServer(Board(), Gallery()) as server:
        assert get(server.url, "/", Host="evil.example:80")[0] == 403
        assert get(server.url, "/", Host="localhost:80")[0] == 200


def test_beyond_loopback_a_secret_is_asked_for_and_kept_in_a_cookie() -> None:
    with ViewerServer(Board(), Gallery(), host="0.0.0.0") as server:
        parts = urlsplit(server.url)
        assert parts.hostname != "0.0.0.0"  # nobody reaches that
        here = f"http://127.0.0.1:{parts.port}/"
        assert get(here, "/")[0] == 403
        assert get(here, "/events")[0] == 403
        assert get(here, "/?token=guess")[0] == 403
        status, headers, _ = get(here, f"/?{parts.query}")
        assert status == 200
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert get(here, "/viewer.js", Cookie=cookie.partition(";")[0])[0] == 200


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with ViewerServer(Board(), Gallery()) as server, pytest.raises(DeviceError, match="can't be served") as caught:
        ViewerServer(Board(), Gallery(), port=urlsplit(server.url).port or 0)
    assert caught.value.hint


def test_a_watcher_who_was_cut_off_goes_on_where_it_was() -> None:
    board = Board()
    for number in range(3):
        board.post("note", {"n": number})
    with (
        ViewerServer(board, Gallery()) as server,
        httpx.stream("GET", f"{server.url}events", headers={"last-event-id": "2"}) as response,
    ):
        first = next(response.iter_lines())
    assert first == "id: 3"


def colour_of_the_edge(browser: webdriver.Chrome, scheme: str) -> str:
    """What charts and boxes are drawn with, for who prefers light or dark pages."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    script = "return getComputedStyle(document.documentElement).getPropertyValue('--edge')"
    colour = str(browser.execute_script(script))
    assert colour.startswith("rgb")
    return colour


def test_a_browser_shows_the_loop_at_work(peer: Peer, browser: webdriver.Chrome) -> None:
    with looping(peer) as loop:
        browser.get(loop.url)

        def shown(id_: str) -> str:
            return browser.find_element(By.ID, id_).text

        wait_until(lambda: browser.title == "cars" and "by edge/edge-7" in shown("answer"))
        wait_until(lambda: browser.find_element(By.ID, "picture").get_attribute("aria-label") == "1 found: car")
        script = (
            "return Array.from(document.getElementById('picture').getContext('2d').getImageData(70, 50, 1, 1).data)"
        )
        red, green, blue, _ = browser.execute_script(script)
        assert red > 150 > green + blue
        assert "this device" in shown("targets")
        assert "bit/s" in shown("targets")
        assert "now " in shown("notes")
        assert "answers/s" in shown("status")
        wait_until(lambda: "last" in (browser.find_element(By.ID, "latency").get_attribute("aria-label") or ""))
        assert colour_of_the_edge(browser, "light") != colour_of_the_edge(browser, "dark")
        loop.camera.says = "the cable is out"
        wait_until(lambda: shown("status") == "the cable is out")
        loop.camera.over.set()
        wait_until(lambda: "The loop has ended" in shown("status"))
        assert complaints(browser) == []


def test_the_command_answers_a_folder_of_pictures_and_prints_json(peer: Peer, tmp_path: Path) -> None:
    answering(peer)
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    command = [sys.executable, "-m", "astraea.deployer", "camera", "cars", "--edge", peer.url]
    options = ["--source", str(tmp_path), "--frames", "2", "--port", "0", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=True)
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [0, 1]
    assert "cars is watched at http://127.0.0.1:" in done.stderr


def test_a_service_manager_ends_the_command_as_its_regular_end(peer: Peer) -> None:
    answering(peer)
    command = [sys.executable, "-m", "astraea.deployer", "camera", "cars", "--edge", peer.url, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("{")
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert errors.endswith("ended\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--size", "big"], "--size big is not WIDTHxHEIGHT"), (["--at", "here"], "--at here is not LATITUDE,LONGITUDE")],
)
def test_an_option_that_makes_no_sense_is_refused_with_an_example(options: list[str], message: str) -> None:
    command = [sys.executable, "-m", "astraea.deployer", "camera", "cars", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "such as" in done.stderr
