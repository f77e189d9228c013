"""The doctor, over real servers, files and a process; judgements by themselves."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from astraea.device.candidates import RemoteTarget
from astraea.device.doctor import check_broker, check_camera, check_clock, check_edge, check_link, check_model
from astraea.device.doctor.here import judge_power
from astraea.device.doctor.there import judge_clock, judge_link
from astraea.device.transports import Credential, HttpTransport
from astraea.protocol import Candidate, Candidates, Instance
from tests.device.conftest import HttpReply, Peer

NOW_S = 1_790_000_000.0
INSTANCE = Instance.model_validate(
    {"id": "edge-1", "service": "cars", "revision": "1.0.0-a", "url": "http://127.0.0.1:9", "node": "here"}
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, shade in (("a.png", 90), ("b.png", 200)):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), shade, np.uint8))
    return tmp_path


def test_a_camera_that_delivers_is_described(pictures: Path) -> None:
    finding, frame = check_camera(str(pictures))
    assert finding.status == "ok"
    assert "64 x 48 px" in finding.text
    assert frame is not None


def test_a_camera_that_is_not_there_comes_with_what_to_do() -> None:
    finding, frame = check_camera("rtsp://user:secret@127.0.0.1:9/x")
    assert finding.status == "failed"
    assert "secret" not in str(finding)
    assert finding.hint
    assert frame is None


def test_a_black_picture_is_doubted(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((48, 64, 3), np.uint8))
    finding, _ = check_camera(str(tmp_path))
    assert finding.status == "warning"
    assert "cap on the lens" in (finding.hint or "")


def test_a_model_that_is_not_there_comes_with_what_to_do() -> None:
    assert check_model("yolo-fastst", None).status == "failed"
    assert "yolo-fastest" in (check_model("yolo-fastst", None).hint or "")
    assert check_model(None, None).status == "warning"


@pytest.mark.parametrize(
    ("bits", "status", "says"),
    [
        (0x0, "ok", "the supply holds"),
        (0x50005, "warning", "under-voltage now"),
        (0x50000, "warning", "under-voltage since it was started"),
        (0x80008, "warning", "too hot now"),
        (0x40000, "warning", "too hot since it was started"),
    ],
)
def test_what_a_pi_says_of_its_supply_is_understood(bits: int, status: str, says: str) -> None:
    finding = judge_power(bits)
    assert finding.status == status
    assert says in finding.text


async def test_a_broker_names_the_instances_or_the_hint_says_what_is_missing(peer: Peer) -> None:
    credential = Credential()
    best = Candidate(instance=INSTANCE, score_ms=1)
    found = Candidates(service="cars", candidates=(best,), ttl_s=5, token="abc", token_ttl_s=60)
    peer.reply = HttpReply(body=found.model_dump_json().encode())
    finding, targets = await check_broker(peer.url, "cars", credential)
    assert (finding.status, [target.name for target in targets]) == ("ok", ["edge-1"])
    assert credential.token == "abc"
    peer.reply = HttpReply(404)
    finding, targets = await check_broker(peer.url, "cars", credential)
    assert (finding.status, targets) == ("failed", [])
    assert "astraea deploy cars" in (finding.hint or "")
    peer.reply = HttpReply(401)
    assert (await check_broker(peer.url, "cars", credential))[0].hint == "astraea enrol CODE"
    finding, _ = await check_broker("http://127.0.0.1:9", "cars", credential)
    assert finding.status == "failed"
    assert "--broker" in (finding.hint or "")


async def test_clocks_are_compared_by_what_any_server_says(peer: Peer) -> None:
    assert (await check_clock(peer.url)).status == "ok"
    assert (await check_clock("http://127.0.0.1:9")).status == "warning"
    theirs = datetime.fromtimestamp(NOW_S, UTC)
    assert judge_clock(NOW_S + 1, theirs).status == "ok"
    assert "3600 s ahead of" in judge_clock(NOW_S + 3600.5, theirs).text
    assert "3600 s behind" in judge_clock(NOW_S - 3599.5, theirs).text


async def test_the_link_and_the_edge_are_tried(peer: Peer) -> None:
    target = RemoteTarget("edge-1", peer.url)
    transport = HttpTransport(peer.url)
    peer.reply = HttpReply(body=b"{}", headers=(("server-timing", "infer;dur=12.0, total;dur=13.0"),))
    assert (await check_link(target, transport)).status == "ok"
    edge = await check_edge(target, transport, None)
    assert edge.status == "ok"
    assert "12 ms of it inference" in edge.text
    peer.reply = HttpReply(401, b'{"title": "Unauthorized", "status": 401}')
    assert "Unauthorized" in (await check_edge(target, transport, None)).text
    await transport.close()
    gone = HttpTransport("http://127.0.0.1:9")
    assert (await check_link(target, gone)).status == "failed"
    await gone.close()


@pytest.mark.parametrize(
    ("small_ms", "large_ms", "status", "says"),
    [(20, 46, "ok", "20.1 Mbit/s"), (20, 1330, "warning", "0.4 Mbit/s"), (400, 410, "warning", "round trip 400 ms")],
)
def test_a_link_is_judged_by_what_a_frame_takes(small_ms: float, large_ms: float, status: str, says: str) -> None:
    finding = judge_link("link", small_ms, large_ms)
    assert finding.status == status
    assert says in finding.text


def test_the_command_says_all_of_it_and_fails_when_something_does(peer: Peer, pictures: Path) -> None:
    peer.reply = HttpReply(body=b"{}")
    command = [sys.executable, "-m", "astraea.deployer", "doctor", "cars", "--source", str(pictures)]
    done = subprocess.run(
        [*command, "--edge", peer.url, "--json"], capture_output=True, text=True, timeout=60, check=True
    )
    statuses = {finding["subject"]: finding["status"] for finding in json.loads(done.stdout)}
    assert statuses == {
        f"camera {pictures}": "ok",
        "model": "warning",
        "clock": "ok",
        f"link to {peer.url}": "ok",
        f"edge {peer.url}": "ok",
    }
    done = subprocess.run(
        [*command, "--edge", "http://127.0.0.1:9"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "✗ link to http://127.0.0.1:9" in done.stdout
