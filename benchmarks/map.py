"""Darknet's detectors in our hands and in OpenCV's: mean average precision, `python -m benchmarks.map`.

Mean average precision at IoU 0.5 (COCO's definition, by pycocotools) on labelled photos, by our converter and detector
and by OpenCV's Darknet importer with the same preprocessing and suppression. A network may have been trained on photos
of train2017, so that only val2017 tells how good it is; with so few photos that is a check, not a score.
"""

import contextlib
import csv
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from rich.table import Table

from astraea.models import Detector, YoloDetector
from astraea.models.darknet import convert_darknet
from astraea.models.metadata import Fit
from astraea.protocol import Detection

from .opencv_darknet import OpenCvDetector

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_CONFIDENCE = 0.001  # low enough for the whole curve of precision over recall
_SPLITS = {"all": {"train2017", "val2017"}, "val2017": {"val2017"}}


class Photo(NamedTuple):
    """A photo and what is on it."""

    image: NDArray[np.uint8]
    split: str
    objects: list[tuple[int, list[float]]]
    """Class and box: left, top, width, height in pixels."""


def main(
    data: Annotated[Path, typer.Option(help="Folder with the photos in coco/, networks in darknet/.")] = _DATA,
    model: Annotated[str, typer.Option(help="Which .cfg and .weights of darknet/.")] = "yolo-fastest-1.1-xl",
    fit: Annotated[Fit, typer.Option(help="How photos are fitted into the input.")] = "stretch",
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures there, too.")] = None,
) -> None:
    """Print mAP@0.5 by our pipeline and by OpenCV's, e.g. `python -m benchmarks.map --json map.json`."""
    needed = [data / "coco" / "attribution.csv", *_network(data, model)]
    if missing := [str(path) for path in needed if not path.is_file()]:
        raise SystemExit(
            f"there is no {', '.join(missing)}: let --data name a folder with labelled photos and networks"
        )
    report = measure(data, model, fit)
    if json_path:
        json_path.write_text(json.dumps(report, indent=2) + "\n")
    Console().print(_table(report))


def measure(data: Path, model: str, fit: Fit) -> dict[str, Any]:
    """Both pipelines' mAP@0.5, in percent, on all photos and on those of val2017."""
    cfg, weights, names_file = _network(data, model)
    names = names_file.read_text().splitlines()
    photos = _read_photos(data / "coco")
    with tempfile.TemporaryDirectory() as folder:
        onnx_file = Path(folder) / "model.onnx"
        convert_darknet(cfg, weights, onnx_file, names=names, fit=fit)
        detectors: dict[str, Detector] = {
            "astraea": YoloDetector(onnx_file, confidence=_CONFIDENCE),
            "opencv": OpenCvDetector(cfg, weights, names=names, fit=fit, confidence=_CONFIDENCE),
        }
        found = {name: [detector.detect(photo.image) for photo in photos] for name, detector in detectors.items()}
    return {
        "model": model,
        "fit": fit,
        "map50_pct": {
            split: {
                "photos": sum(photo.split in members for photo in photos),
                "objects": sum(len(photo.objects) for photo in photos if photo.split in members),
                **{name: map50_pct(photos, detections, names, members) for name, detections in found.items()},
            }
            for split, members in _SPLITS.items()
        },
    }


def _network(data: Path, model: str) -> tuple[Path, Path, Path]:
    folder = data / "darknet"
    return folder / f"{model}.cfg", folder / f"{model}.weights", folder / "coco.names"


def _read_photos(folder: Path) -> list[Photo]:
    with (folder / "attribution.csv").open(newline="") as file:
        return [_read_photo(folder, row["file"], row["split"]) for row in csv.DictReader(file)]


def _read_photo(folder: Path, name: str, split: str) -> Photo:
    image = cv2.imread(str(folder / "images" / name), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise SystemExit(f"{folder / 'images' / name} is no photo that OpenCV reads")
    height, width = image.shape[:2]
    objects = []
    for line in (folder / "labels" / name).with_suffix(".txt").read_text().splitlines():
        index, x, y, w, h = map(float, line.split())  # centre and size, as fractions of the photo
        objects.append((int(index), [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]))
    return Photo(np.asarray(image, np.uint8), split, objects)


def map50_pct(
    photos: Sequence[Photo], detections: Sequence[Sequence[Detection]], names: Sequence[str], splits: set[str]
) -> float:
    """COCO's mean over the classes that occur, of precision averaged over 101 recalls; 100 detections a photo."""
    truth = [
        {"image_id": photo_id, "category_id": index, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for photo_id, photo in enumerate(photos)
        for index, box in photo.objects
    ]
    answers = [
        {
            "image_id": photo_id,
            "category_id": names.index(found.label),
            "bbox": [found.box.x1, found.box.y1, found.box.x2 - found.box.x1, found.box.y2 - found.box.y1],
            "score": found.score,
        }
        for photo_id, photo_detections in enumerate(detections)
        for found in photo_detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells what it does
        coco = COCO()
        coco.dataset = {
            "images": [{"id": photo_id} for photo_id in range(len(photos))],
            "annotations": [{"id": number, **entry} for number, entry in enumerate(truth, start=1)],
            "categories": [{"id": index} for index in range(len(names))],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(answers), "bbox")
        evaluation.params.imgIds = [photo_id for photo_id, photo in enumerate(photos) if photo.split in splits]
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]  # recall x class, of any size, of 100 detections
    return float(100 * precision[precision >= 0].mean())


def _table(report: dict[str, Any]) -> Table:
    table = Table(title=f"mAP@0.5 of {report['model']}, {report['fit']}, in percent")
    for heading in ("photos of", "photos", "objects", "Astraea", "OpenCV", "difference"):
        table.add_column(heading, justify="left" if heading == "photos of" else "right")
    for split, row in report["map50_pct"].items():
        ours, reference = row["astraea"], row["opencv"]
        counts = str(row["photos"]), str(row["objects"])
        table.add_row(split, *counts, f"{ours:.2f}", f"{reference:.2f}", f"{ours - reference:+.2f}")
    return table


if __name__ == "__main__":
    typer.run(main)
