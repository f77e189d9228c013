"""How well plates are found and read on labelled photos, and how long a photo takes: `python -m benchmarks.plates`.

Photos and crops are those described in the data's README. What a plate says is compared, counted and never shown; of a
text misread only the characters that were taken for others are.
"""

import argparse
import csv
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.models.plates import CHARACTERS_FILE, LONG_SIDE_PX, READER_FILE, PlateReader, PlateRecognizer
from astraea.models.zoo import pull
from astraea.protocol import Box, Detection

SHARED_PLATES = Path(__file__).resolve().parents[2] / "shared" / "data" / "plates"
_FOUND_IOU = 0.5


class Photo(NamedTuple):
    """A labelled photo."""

    image: NDArray[np.uint8]
    text: str
    """What its plate says; empty where there is none."""
    chinese: bool
    """Whether the plate is of the kind that the reader knows."""
    box: Box | None
    """Where the plate is; None where the labels do not say."""

    def plates_among(self, detections: Sequence[Detection]) -> list[Detection]:
        """Those that lie where the plate is."""
        return [found for found in detections if self.box is None or found.box.iou(self.box) >= _FOUND_IOU]


@dataclass
class Figures:
    """What was counted."""

    photos: int = 0
    chinese_plates: int = 0
    chinese_found: int = 0
    chinese_read_exactly: int = 0
    chinese_left_without_text: int = 0
    foreign_plates: int = 0
    foreign_found: int = 0
    photos_without_plate: int = 0
    false_alarms: int = 0
    crops: int = 0
    crops_read_exactly: int = 0
    confusions: Counter[str] = field(default_factory=Counter)
    """Of photos and crops: `what is there>what was read`, with `-` for nothing."""
    ms_per_photo: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Time of the median photo, detection and reading together."""
        return statistics.median(self.ms_per_photo)


def measure(model: Path, data: Path, *, long_side_px: int = LONG_SIDE_PX, threads: int | None = None) -> Figures:
    """Run the recogniser in the folder `model` over the photos and crops in `data`."""
    recognizer = PlateRecognizer(model, long_side_px=long_side_px, threads=threads)
    figures = Figures()
    for photo in read_photos(data):
        start = time.perf_counter()
        detections = recognizer.detect(photo.image)
        figures.ms_per_photo.append((time.perf_counter() - start) * 1000)
        _count(figures, photo, detections)
    reader = PlateReader(model / READER_FILE, model / CHARACTERS_FILE, threads=threads)
    for image, text in _crops(data):
        height, width = image.shape[:2]
        whole = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        reading = reader.read(image, [whole])[0].text
        figures.crops += 1
        figures.crops_read_exactly += reading == text
        figures.confusions.update(confusions(text, reading))
    return figures


def _count(figures: Figures, photo: Photo, detections: Sequence[Detection]) -> None:
    figures.photos += 1
    at_plate = photo.plates_among(detections)
    if not photo.text:
        figures.photos_without_plate += 1
        figures.false_alarms += len(detections)
    elif photo.chinese:
        figures.chinese_plates += 1
        figures.chinese_found += bool(at_plate)
        figures.chinese_read_exactly += any(found.text == photo.text for found in at_plate)
        figures.chinese_left_without_text += bool(at_plate) and all(found.text is None for found in at_plate)
        if not any(found.text in (photo.text, None) for found in at_plate):
            figures.confusions.update(
                pair for found in at_plate[:1] for pair in confusions(photo.text, found.text or "")
            )
    else:
        figures.foreign_plates += 1
        figures.foreign_found += bool(at_plate)


def confusions(text: str, reading: str) -> Iterator[str]:
    """Each character of a text that was read as another, overlooked or made up, as `D>0`, `D>-` or `->0`."""
    for _, start, end, read_start, read_end in SequenceMatcher(None, text, reading, autojunk=False).get_opcodes():
        for there, read in zip_longest(text[start:end], reading[read_start:read_end], fillvalue="-"):
            if there != read:
                yield f"{there}>{read}"


def read_photos(data: Path) -> Iterator[Photo]:
    with (data / "labels.csv").open(encoding="utf-8", newline="") as labels:
        for row in csv.DictReader(labels):
            sides = [row[key] for key in ("x1", "y1", "x2", "y2")]
            box = Box(*map(float, sides)) if all(sides) else None
            yield Photo(_read(data / row["file"]), row["plate"], row["kind"].startswith(("blue", "green")), box)


def _crops(data: Path) -> Iterator[tuple[NDArray[np.uint8], str]]:
    with (data / "crops.csv").open(encoding="utf-8", newline="") as labels:
        for row in csv.DictReader(labels):
            yield _read(data / row["file"]), row["plate"]


def _read(path: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise SystemExit(f"{path} is no image")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Plates found and read on labelled photos, and ms a photo.")
    parser.add_argument("--data", type=Path, default=SHARED_PLATES, help="folder with labels.csv and crops.csv")
    parser.add_argument("--long-side", type=int, default=LONG_SIDE_PX, help="long side for the detector, pixels")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of one inference")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if not (options.data / "labels.csv").is_file():
        parser.error(f"there is no labels.csv in {options.data}")
    figures = measure(pull("plates"), options.data, long_side_px=options.long_side, threads=options.threads)
    print(f"photos                       {figures.photos}")
    print(f"Chinese plates found         {figures.chinese_found} of {figures.chinese_plates}")
    print(f"               read exactly  {figures.chinese_read_exactly} of {figures.chinese_plates}")
    print(f"               without text  {figures.chinese_left_without_text}")
    print(f"foreign plates found         {figures.foreign_found} of {figures.foreign_plates}")
    print(
        f"false alarms                 {figures.false_alarms} on {figures.photos_without_plate} photos without a plate"
    )
    print(f"crops read exactly           {figures.crops_read_exactly} of {figures.crops}")
    pairs = ", ".join(f"{pair} {count}" for pair, count in figures.confusions.most_common())
    print(f"characters misread           {pairs or 'none'}")
    print(f"ms per photo, median         {figures.median_ms:.1f} (long side {options.long_side})")
    if options.json:
        options.json.write_text(json.dumps(asdict(figures) | {"median_ms": figures.median_ms}, indent=2) + "\n")


if __name__ == "__main__":
    main()
