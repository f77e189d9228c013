"""What carries frames best, by network: `python -m benchmarks.transports` (as root).

A device and an edge server on two hosts of their own (see `benchmarks.field`), joined by a link that follows a part of
a measured trace. A camera plays a video; each frame is encoded, sent and answered by a detector, some of them at once;
a frame that finds as many under way as may be is skipped. The transports take turns over the same part.

Bytes are those of the device's interface, heads, retransmissions and all. CPU is the process's: on the device less that
of encoding, which has a column of its own (of WebRTC's encoder only the thread that waits for it: its own threads are
under `device`); on the server less the detector's. Accuracy is mAP@0.5 of the answers,
against those to the frames as they were before encoding, where these are sure (a score of 0.5 or more): whether a doubt
is just above or just below what is reported at all is chance; likewise classes that are seen in fewer than ten frames.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from astraea.device import Transport, TransportError
from astraea.device.codec import JPEG_MEDIA_TYPE, Payload, encode
from astraea.device.encoding import Encoding
from astraea.device.simulator import read_trace
from astraea.device.transports import Credential, transport_named
from astraea.device.transports.base import PictureEncoder
from astraea.device.transports.webrtc.transport import WebRtcTransport
from astraea.models import Detector, load_detector
from astraea.models.darknet import convert_darknet
from astraea.protocol import Detection, Detections
from netlab import Conditions, Namespace, unavailable

from .field import Field
from .load import cpu_s
from .map import Photo, map50_pct
from .networks import MEASURED, Network, changes
from .regret import SHARED_TRACES

_HANDLER = Path(__file__).parent / "services" / "watched" / "handler.py"
_VIDEO = SHARED_TRACES.parent / "video" / "car-detection.mp4"
_NETWORK = SHARED_TRACES.parent / "darknet" / "yolo-fastest-1.1-xl.cfg"
_FRAMES = 200
_IN_FLIGHT = 4
_GIVE_UP_S = 2.0
_CONNECT_S = 30.0
_WARM_UP_FRAMES = 10
_LEAD_S = 0.2
_SURE = 0.5
_FREQUENT_FRAMES = 10
_COLUMNS = ("kB/frame", "fps", "p50 ms", "p95 ms", "device", "encode", "server", "mAP", "failed")
TRANSPORTS = ("http", "websocket", "webrtc")


NETWORKS = {name: MEASURED[name] for name in ("5G", "4G", "weak WiFi")}


class Video(NamedTuple):
    """Frames, and what is on them."""

    frames: list[NDArray[np.uint8]]
    truth: list[list[Detection]]
    fps: float


@dataclass
class Turn:
    """What one transport did in one turn."""

    frames: int = 0
    """That the camera gave."""
    failed: int = 0
    ms: list[float] = field(default_factory=list)
    """From the capture of each answered frame to its answer."""
    answers: list[tuple[int, list[Detection]]] = field(default_factory=list)
    encode_cpu_s: float = 0.0
    device_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    detector_cpu_s: float = 0.0
    bytes_sent: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """All turns of one transport on one network."""

    network: str
    transport: str
    frames: int
    answered: int
    failed: int
    kb_per_frame: float
    fps: float
    p50_ms: float
    p95_ms: float
    device_cpu_ms: float
    """A frame, without encoding it."""
    encode_cpu_ms: float
    server_cpu_ms: float
    """A frame, without detecting."""
    map50_pct: float


def write_service(folder: Path) -> Path:
    """A service of the detector, which tells what CPU time it takes; its model's file."""
    model = folder / "model.onnx"
    names = (_NETWORK.parent / "coco.names").read_text().splitlines()
    convert_darknet(_NETWORK, _NETWORK.with_suffix(".weights"), model, names=names, fit="stretch")
    shutil.copy(_HANDLER, folder)
    (folder / "astraea.yaml").write_text("name: watched\nversion: 1.0.0\nmodel: model.onnx\nhandler: handler.py\n")
    return model


def read_video(path: Path, count: int, detector: Detector) -> Video:
    capture = cv2.VideoCapture(str(path))
    frames: list[NDArray[np.uint8]] = []
    while len(frames) < count:
        there, frame = capture.read()
        if not there:
            break
        frames.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8))
    if not frames:
        sys.exit(f"{path} is no video that OpenCV reads; --video names another")
    truth = [[found for found in detector.detect(frame) if found.score >= _SURE] for frame in frames]
    return Video(frames, truth, capture.get(cv2.CAP_PROP_FPS))


class Device:
    """A camera's loop over one transport."""

    def __init__(self, transport: Transport, video: Video) -> None:
        self.turn = Turn()
        self._transport = transport
        self._video = video
        self._under_way: set[asyncio.Task[None]] = set()

    async def warm_up(self) -> None:
        """Open what has to be opened."""
        if isinstance(self._transport, WebRtcTransport):
            await self._transport.probe(b"")
            async with asyncio.timeout(_CONNECT_S):
                while not self._transport.is_video:  # noqa: ASYNC110 - it has no event for it
                    await asyncio.sleep(0.05)
        for number in range(_WARM_UP_FRAMES):
            await self._answer(number, time.monotonic())
        self.turn = Turn()

    async def play(self, seconds: float) -> None:
        """Show the video, as often as that takes."""
        began_s = time.monotonic()
        while (due_s := self.turn.frames / self._video.fps) < seconds:
            await asyncio.sleep(began_s + due_s - time.monotonic())
            if len(self._under_way) < _IN_FLIGHT:
                number = self.turn.frames % len(self._video.frames)
                task = asyncio.create_task(self._answer(number, time.monotonic()))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            self.turn.frames += 1
        await asyncio.gather(*self._under_way)
        self.turn.seconds = time.monotonic() - began_s

    async def _answer(self, number: int, captured_s: float) -> None:
        payload, cpu_s = await asyncio.to_thread(self._encode, self._video.frames[number])
        self.turn.encode_cpu_s += cpu_s
        try:
            async with asyncio.timeout(_GIVE_UP_S):
                reply = await self._transport.send(payload.data, payload.media_type)
        except (TimeoutError, TransportError):
            self.turn.failed += 1
            return
        self.turn.ms.append((time.monotonic() - captured_s) * 1e3)
        document = from_json(reply.body)
        self.turn.detector_cpu_s += document["detector_cpu_ms"] / 1e3
        self.turn.answers.append((number, list(Detections.model_validate(document).detections)))

    def _encode(self, image: NDArray[np.uint8]) -> tuple[Payload, float]:
        began_s = time.thread_time()
        if isinstance(self._transport, PictureEncoder):
            payload = self._transport.encode(image, Encoding())
        else:
            payload = Payload(encode(image, Encoding()), JPEG_MEDIA_TYPE)
        return payload, time.thread_time() - began_s


def sent_bytes(host: Namespace) -> int:
    """What has left a host, but to itself."""
    links = json.loads(host.run("ip", "-s", "-j", "link"))
    return sum(link["stats64"]["tx"]["bytes"] for link in links if link["ifname"] != "lo")


def measure(lab: Field, name: str, network: Network, video: Video, seconds: float) -> Turn:
    """One turn of one transport."""
    trace = read_trace(SHARED_TRACES / f"{network.trace}.csv")

    async def session() -> Turn:
        transport = transport_named(name, Credential())(lab.url)  # type: ignore[arg-type] # argparse has looked
        device = Device(transport, video)
        try:
            await device.warm_up()
            start_s = time.monotonic() + _LEAD_S
            lab.link.follow(changes(trace, network, start_s))
            await asyncio.sleep(_LEAD_S)
            bytes_before, server_before_s = sent_bytes(lab.device), cpu_s(lab.server.pid)
            device_before_s = time.process_time()
            await device.play(seconds)
            turn = device.turn
            turn.device_cpu_s = time.process_time() - device_before_s - turn.encode_cpu_s
            turn.server_cpu_s = cpu_s(lab.server.pid) - server_before_s
            turn.bytes_sent = sent_bytes(lab.device) - bytes_before
        finally:
            await transport.close()
        return device.turn

    lab.link.become(Conditions(delay_ms=network.rtt_ms / 2))
    with lab.device.entered():
        return asyncio.run(session())


def figures(network: str, transport: str, turns: Sequence[Turn], video: Video) -> Figures:
    times = [ms for turn in turns for ms in turn.ms]
    if len(times) < 2:
        sys.exit(f"{transport} over {network}: no frame was answered")
    quantiles = statistics.quantiles(times, n=100, method="inclusive")
    sent = len(times) + sum(turn.failed for turn in turns)
    answers = [answer for turn in turns for answer in turn.answers]
    return Figures(
        network,
        transport,
        sum(turn.frames for turn in turns),
        len(times),
        sum(turn.failed for turn in turns),
        sum(turn.bytes_sent for turn in turns) / sent / 1e3,
        len(times) / sum(turn.seconds for turn in turns),
        quantiles[49],
        quantiles[94],
        statistics.median(turn.device_cpu_s * 1e3 / len(turn.ms) for turn in turns),
        statistics.median(turn.encode_cpu_s * 1e3 / len(turn.ms) for turn in turns),
        statistics.median((turn.server_cpu_s - turn.detector_cpu_s) * 1e3 / len(turn.ms) for turn in turns),
        accuracy(answers, video),
    )


def accuracy(answers: Sequence[tuple[int, list[Detection]]], video: Video) -> float:
    """mAP@0.5 in percent of answers, each to a frame of the video, against those to the frame as it was."""
    seen = Counter(label for number, _ in answers for label in {detection.label for detection in video.truth[number]})
    names = sorted(label for label, count in seen.items() if count >= _FREQUENT_FRAMES)
    found = [[detection for detection in of_frame if detection.label in names] for _, of_frame in answers]
    photos = []
    for number, _ in answers:
        objects = [_labelled(detection, names) for detection in video.truth[number] if detection.label in names]
        photos.append(Photo(video.frames[number], "all", objects))
    return map50_pct(photos, found, names, {"all"})


def _labelled(found: Detection, names: Sequence[str]) -> tuple[int, list[float]]:
    box = found.box
    return names.index(found.label), [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1]


def ratios(results: Sequence[Figures]) -> dict[str, float]:
    """The figures of streams over HTTP's, by network; what video costs in accuracy, in points."""
    by = {(result.network, result.transport): asdict(result) for result in results}
    streams = [key for key in by if key[1] != "http" and (key[0], "http") in by]
    found = {
        f"{network}: {transport}/http {name}": by[network, transport][name] / by[network, "http"][name]
        for network, transport in streams
        for name in ("p50_ms", "p95_ms", "device_cpu_ms", "server_cpu_ms", "kb_per_frame")
    }
    return found | {
        f"{network}: {transport} - http mAP": by[network, transport]["map50_pct"] - by[network, "http"]["map50_pct"]
        for network, transport in streams
    }


def table(results: Sequence[Figures]) -> str:
    lines = [
        f"{'':22}{'':>18}{'frame to result':>18}{'CPU ms a frame':>27}",
        f"{'':22}" + "".join(f"{name:>9}" for name in _COLUMNS),
    ]
    lines += [
        f"{r.network:11}{r.transport:11}{r.kb_per_frame:9.1f}{r.fps:9.1f}{r.p50_ms:9.1f}{r.p95_ms:9.1f}"
        f"{r.device_cpu_ms:9.2f}{r.encode_cpu_ms:9.2f}{r.server_cpu_ms:9.2f}{r.map50_pct:9.1f}{r.failed:9}"
        for r in results
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports", description=__doc__.splitlines()[0])
    parser.add_argument("--network", action="append", choices=NETWORKS, help="one of the networks (default: all)")
    parser.add_argument("--transport", action="append", choices=TRANSPORTS, help="one of them (default: all)")
    parser.add_argument("--video", type=Path, default=_VIDEO, help="what the camera sees (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each transport (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a turn takes (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    if reason := unavailable():
        sys.exit(reason)
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        video = read_video(given.video, _FRAMES, load_detector(write_service(Path(scratch))))
        for network in given.network or NETWORKS:
            turns: dict[str, list[Turn]] = {}
            with Field(Conditions(), Path(scratch)) as lab:
                for _ in range(given.rounds):
                    for name in given.transport or TRANSPORTS:
                        turns.setdefault(name, []).append(measure(lab, name, NETWORKS[network], video, given.seconds))
            results += [figures(network, name, of_transport, video) for name, of_transport in turns.items()]
    found = ratios(results)
    height, width = video.frames[0].shape[:2]
    print(
        f"{width} x {height} at {video.fps:.1f} fps, at most {_IN_FLIGHT} frames under way, {_NETWORK.stem} at the edge"
    )
    print(table(results))
    print("\n".join(f"{name}: {value:.2f}" for name, value in found.items()))
    if given.json:
        document = {"figures": [asdict(result) for result in results], "ratios": found}
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
