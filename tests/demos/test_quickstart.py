"""The demo's own parts: the shaped uplink, the link's script, the report's figures."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from PIL import Image

from astraea.device import Frame
from astraea.protocol import Box, Detection, Result
from demos.quickstart import animation, report
from demos.quickstart.experiment import SCRIPT, Answered, SlowedDetector, conditions
from demos.quickstart.uplink import Condition, Uplink

FAST = Condition("fast", mbps=1000, delay_ms=0)
IMAGE = np.zeros((48, 64, 3), np.uint8)
PLATE = Detection(label="plate", score=1, box=Box(10, 10, 30, 20), text="A")


@pytest.fixture
def echo_url() -> Iterator[str]:
    """A server that says everything it hears to whom it heard it from."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with closing(connection):
            while heard := connection.recv(65536):
                connection.sendall(heard)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10)


def round_trip(connection: socket.socket, size_bytes: int) -> float:
    """Send that many bytes, have them back, and say how many seconds it took."""
    start = perf_counter()
    message = bytes(size_bytes)
    connection.sendall(message)
    heard = b""
    while len(heard) < size_bytes:
        heard += connection.recv(65536)
    assert heard == message
    return perf_counter() - start


def test_the_uplink_takes_as_long_as_its_rate_and_delay_say(echo_url: str) -> None:
    with Uplink(Condition("slow", mbps=1, delay_ms=20)) as uplink, closing(connect(uplink.route(echo_url))) as link:
        taken_s = round_trip(link, 20_000)
    assert taken_s >= 20_000 * 8 / 1e6 + 0.04


def test_connections_share_the_rate(echo_url: str) -> None:
    with Uplink(Condition("slow", mbps=1, delay_ms=0)) as uplink:
        links = [connect(uplink.route(echo_url)) for _ in range(2)]
        start = perf_counter()
        threads = [threading.Thread(target=round_trip, args=(link, 10_000)) for link in links]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken_s = perf_counter() - start
        for link in links:
            link.close()
    assert taken_s >= 20_000 * 8 / 1e6


def test_nothing_passes_while_the_link_is_cut_and_nothing_is_lost(echo_url: str) -> None:
    with Uplink(FAST) as uplink, closing(connect(uplink.route(echo_url))) as link:
        round_trip(link, 100)
        uplink.become(FAST._replace(up=False))
        link.sendall(b"hello")
        link.settimeout(0.2)
        with pytest.raises(TimeoutError):
            link.recv(5)
        uplink.become(FAST)
        link.settimeout(10)
        assert link.recv(5) == b"hello"


def test_a_server_that_is_gone_ends_the_connection(echo_url: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Uplink(FAST) as uplink, closing(connect(uplink.route(url))) as link:
            assert link.recv(1) == b""


def frames(count: int) -> list[Frame]:
    return [Frame(image=IMAGE, seq=seq, captured_at=0.0, truth=(PLATE,)) for seq in range(count)]


@pytest.mark.parametrize("count", [10, 80, 333])
def test_every_phase_of_the_script_has_its_share_of_the_frames_in_order(count: int) -> None:
    names = [condition.name for _, condition in conditions(frames(count))]
    assert len(names) == count
    assert list(dict.fromkeys(names)) == [condition.name for _, condition in SCRIPT]
    for share, condition in SCRIPT:
        assert names.count(condition.name) == pytest.approx(share * count, abs=1)


def test_a_slowed_detector_finds_the_same_later() -> None:
    class Detector:
        def detect(self, image: object) -> list[Detection]:
            start = perf_counter()
            while perf_counter() - start < 0.01:
                pass
            return [PLATE]

    start = perf_counter()
    assert SlowedDetector(Detector(), 5).detect(IMAGE) == [PLATE]
    assert perf_counter() - start >= 0.05


def answered(frame: Frame, tier: str | None, found: tuple[Detection, ...], actual_ms: float) -> Answered:
    result = Result.model_validate(
        {
            "seq": frame.seq,
            "captured_at": 0,
            "tier": tier,
            "detections": found if tier else None,
            "predicted_ms": 10,
            "actual_ms": actual_ms,
            "age_ms": actual_ms,
            "failure": None if tier else "gone",
        }
    )
    return Answered(frame, SCRIPT[0][1], result)


def test_the_report_counts_what_happened(tmp_path: Path) -> None:
    wrong_place = PLATE.model_copy(update={"box": Box(40, 40, 60, 50)})
    wrong_text = PLATE.model_copy(update={"text": "B"})
    shots = frames(5)
    run = [
        answered(shots[0], "edge", (PLATE,), 20),
        answered(shots[1], "edge", (wrong_place,), 20),
        answered(shots[2], "device", (wrong_text, PLATE), 40),
        answered(shots[3], None, (), 100),
        answered(shots[4], "edge", (), 20),
    ]
    others = {"local_only": [50.0] * 5, "edge_only": [60.0] * 5}
    summary = {"emulation": "none"} | report.summarise(run, others["local_only"], others["edge_only"])
    assert (summary["frames"], summary["answered"], summary["unanswered"]) == (5, 4, 1)
    assert summary["by_target"] == {"local": 1, "edge": 3}
    assert summary["switches"] == 3
    assert (summary["plates_expected"], summary["plates_read"]) == (5, 2)
    assert summary["adaptive"]["mean_ms"] == 40
    assert summary["local_only"] == {"mean_ms": 50, "p95_ms": 50}
    assert summary["prediction_error_pct"] == 50
    report.write(tmp_path, summary, run, others)
    animation.write(tmp_path / "demo.webp", run, others)
    assert json.loads((tmp_path / "report.json").read_text()) == summary
    with Image.open(tmp_path / "demo.webp") as moving:
        assert getattr(moving, "n_frames", 1) == 3  # of five frames
    page = (tmp_path / "index.html").read_text()
    assert page.count("<svg") == 2
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )  # self-contained: the rest are names in the plots' metadata, nothing is fetched


def test_a_scene_of_unknown_truth_has_no_plates_to_count() -> None:
    run = [answered(Frame(image=IMAGE, seq=0, captured_at=0.0, truth=None), "edge", (), 20)]
    summary = report.summarise(run, [1.0], [1.0])
    assert summary["plates_expected"] is None
    assert summary["plates_read"] is None
