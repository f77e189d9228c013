"""How late an overlay looks, with its boxes carried to the newest frame and without: `python -m benchmarks.tracking`.

A detector answers every frame of a video. For a latency, the answer to the frame of that long ago is shown on the
newest one, as it is and as `Tracker` carries it; the detector's own answer to the newest frame says where things are.
The figure is the mean, over the boxes of that answer, of the best IoU with a shown box (whatever its label: a small
detector changes its mind about what a thing is more often than about where). `moving` are the boxes for which one of
the two was below 0.8, though not both were 0. Where the detector is unsteady from frame to frame, nothing reaches 1.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from astraea.device import Frame, Tracker, open_camera
from astraea.models import YoloDetector
from astraea.models.darknet import convert_darknet
from astraea.protocol import Detection, Result

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_VIDEOS = {"car-detection.mp4": 12.5, "bottle-detection.mp4": 29.83}
"""And their frames per second."""
_MODEL = "yolo-fastest-1.1-xl"
_CONFIDENCE = 0.4
_MOVING_IOU = 0.8


def main(
    data: Annotated[Path, typer.Option(help="Folder with the videos in video/, the network in darknet/.")] = _DATA,
    latency_ms: Annotated[list[float] | None, typer.Option(help="Repeatable; by default 100 and 300.")] = None,
    frames: Annotated[int, typer.Option(min=20, help="At most so many of each video.")] = 600,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures there, too.")] = None,
) -> None:
    """Print the mean IoU of shown boxes with and without tracking, for each video and latency."""
    videos = [data / "video" / name for name in _VIDEOS]
    if missing := [str(video) for video in videos if not video.is_file()]:
        raise SystemExit(f"there is no {', '.join(missing)}: let --data name a folder with the videos")
    rows = []
    for video in videos:
        shots, answers = _answer(data, video, frames)
        fps = _VIDEOS[video.name]
        rows += [_measure(video.stem, shots, answers, ms, fps) for ms in latency_ms or (100.0, 300.0)]
    if json_path:
        json_path.write_text(json.dumps({"model": _MODEL, "rows": rows}, indent=2) + "\n")
    Console().print(_table(rows))


def _answer(data: Path, video: Path, most: int) -> tuple[list[Frame], list[Result]]:
    darknet = data / "darknet"
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        names = (darknet / "coco.names").read_text().splitlines()
        convert_darknet(darknet / f"{_MODEL}.cfg", darknet / f"{_MODEL}.weights", model, names=names, fit="stretch")
        detector = YoloDetector(model, confidence=_CONFIDENCE)
    with open_camera(str(video)) as camera:
        shots = [frame for frame, _ in zip(camera, range(most), strict=False)]
    return shots, [_result(frame, detector.detect(frame.image)) for frame in shots]


def _result(frame: Frame, found: Sequence[Detection]) -> Result:
    return Result(
        seq=frame.seq,
        captured_at=frame.captured_at,
        tier="device",
        detections=tuple(found),
        predicted_ms=0,
        actual_ms=0,
        age_ms=0,
    )


def _measure(
    video: str, shots: Sequence[Frame], answers: Sequence[Result], latency_ms: float, fps: float
) -> dict[str, Any]:
    late = max(1, round(latency_ms * fps / 1000))
    tracker = Tracker()
    stale, carried, times_ms = [], [], []
    for index, frame in enumerate(shots):
        start = time.perf_counter()
        tracker.see(frame)
        if index < late:
            continue
        answer = answers[index - late]
        _, moved = tracker.carry(answer)
        times_ms.append((time.perf_counter() - start) * 1000)
        for truth in answers[index].detections or ():
            stale.append(_best_iou(truth, answer.detections or ()))
            carried.append(_best_iou(truth, moved.detections or ()))
    as_it_is, tracked = np.array(stale), np.array(carried)
    moving = (np.minimum(as_it_is, tracked) < _MOVING_IOU) & (np.maximum(as_it_is, tracked) > 0)
    return {
        "video": video,
        "latency_ms": latency_ms,
        "frames_late": late,
        "boxes": len(as_it_is),
        "iou_as_answered": float(as_it_is.mean()),
        "iou_tracked": float(tracked.mean()),
        "moving_boxes": int(moving.sum()),
        "moving_iou_as_answered": float(as_it_is[moving].mean()),
        "moving_iou_tracked": float(tracked[moving].mean()),
        "tracking_ms": float(np.median(times_ms)),
    }


def _best_iou(truth: Detection, shown: Sequence[Detection]) -> float:
    return max((truth.box.iou(one.box) for one in shown), default=0.0)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("video", title="mean IoU of shown boxes with where things are, of all boxes and of those that move")
    for heading in ("late", "boxes", "as is", "tracked", "moving", "as is", "tracked", "ms"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["video"].partition("-")[0],
            f"{row['latency_ms']:.0f} ms",
            str(row["boxes"]),
            f"{row['iou_as_answered']:.3f}",
            f"{row['iou_tracked']:.3f}",
            str(row["moving_boxes"]),
            f"{row['moving_iou_as_answered']:.3f}",
            f"{row['moving_iou_tracked']:.3f}",
            f"{row['tracking_ms']:.1f}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
