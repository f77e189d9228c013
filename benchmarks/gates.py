"""What the gates save and cost on a video: `python -m benchmarks.gates`.

A small detector on the device, a larger one at the edge, and a camera above passing cars. Without gates the edge
answers every frame, or the device does; with them the device answers, the edge gives a second opinion on what is hard,
and still frames have the answer of the frame before. Accuracy is mAP@0.5 against the edge's answers to the pictures as
the camera took them, so that the device's own misses count. Nothing is timed: the link always meets the deadline here.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.device.codec import encode
from astraea.device.decision import ConfidenceGate, MotionGate
from astraea.device.encoding import Encoding
from astraea.models import YoloDetector
from astraea.models.accuracy import mean_average_precision
from astraea.models.darknet import convert_darknet
from astraea.protocol import Detection

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FPS = 12.5


class Frame(NamedTuple):
    """One frame, and everything that anybody could answer to it."""

    image: NDArray[np.uint8]
    lossless: list[Detection]
    local: list[Detection]
    edge: list[Detection]
    sent_bytes: int


class Figures(NamedTuple):
    """What a way of answering came to."""

    kilobytes_per_frame: float
    sent_pct: float
    local_pct: float
    """Of the frames, those that the device worked on."""
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with video/ and darknet/")
    parser.add_argument("--video", default="car-detection.mp4", help="file of video/")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    frames = list(look(arguments.data, arguments.video))
    table = {
        "edge alone": play(frames, edge_always=True),
        "device alone": play(frames),
        "confidence gate": play(frames, confidence=ConfidenceGate()),
        "motion gate, edge": play(frames, motion=MotionGate(), edge_always=True),
        "motion and confidence gates": play(frames, motion=MotionGate(), confidence=ConfidenceGate()),
    }
    print(f"{arguments.video}, {len(frames)} frames")
    print(f"{'':28}{'kB/frame':>10}{'sent %':>10}{'device %':>10}{'mAP@0.5':>10}")
    for name, (kilobytes, sent, local, accuracy) in table.items():
        print(f"{name:28}{kilobytes:10.1f}{sent:10.1f}{local:10.1f}{accuracy:10.3f}")
    if arguments.json:
        document = {name: figures._asdict() for name, figures in table.items()}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def look(data: Path, video: str) -> Iterator[Frame]:
    """Have both detectors look at every frame."""
    small, large = (detector(data / "darknet", name) for name in ("yolo-fastest-1.1", "yolo-fastest-1.1-xl"))
    capture = cv2.VideoCapture(str(data / "video" / video))
    while (read := capture.read())[0]:
        image = np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8)
        jpeg = encode(image, Encoding())
        sent = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        edge = large.detect(np.asarray(sent, np.uint8))
        yield Frame(image, large.detect(image), small.detect(image), edge, len(jpeg))


def detector(folder: Path, name: str) -> YoloDetector:
    names = (folder / "coco.names").read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model.onnx"
        convert_darknet(folder / f"{name}.cfg", folder / f"{name}.weights", model, names=names)
        return YoloDetector(model)


def play(
    frames: Sequence[Frame],
    *,
    motion: MotionGate | None = None,
    confidence: ConfidenceGate | None = None,
    edge_always: bool = False,
) -> Figures:
    """Answer the frames one after the other."""
    answers: list[list[Detection]] = []
    sent_bytes = sent = local = 0
    for index, frame in enumerate(frames):
        now = index / FPS
        changed = motion.changed(frame.image) if motion else 0.0
        if motion and motion.is_still(changed, now):
            answers.append(answers[-1])
            continue
        answer = frame.edge if edge_always else frame.local
        local += not edge_always
        if edge_always or (confidence and confidence.doubt(answer, changed)):
            answer = frame.edge
            sent_bytes, sent = sent_bytes + frame.sent_bytes, sent + 1
        if motion:
            motion.answered(frame.image, now)
        if confidence:
            confidence.answered(answer)
        answers.append(answer)
    accuracy = mean_average_precision([frame.lossless for frame in frames], answers)
    count = len(frames)
    return Figures(sent_bytes / count / 1000, 100 * sent / count, 100 * local / count, accuracy)


if __name__ == "__main__":
    main()
