"""How much a canary's answers differ from the stable revision's, good and bad: `python -m benchmarks.disagreement`.

The zoo's Yolo-Fastest 1.1-xl is what serves; beside it are what a next revision may rightly be, and what it may be by
mistake. The figures are means over photos of COCO, whose folder `--data` names.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.edge_server.outputs import encode_output
from astraea.edge_server.shadowing.comparing import disagreement
from astraea.models import load_detector, pull
from astraea.models.photos import read_photos
from astraea.protocol import Detection

_Image = NDArray[np.uint8]
_Detect = Callable[[_Image], Sequence[Detection]]
_PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco" / "images"
_MOST = 41


def revisions() -> tuple[_Detect, dict[str, _Detect]]:
    """What serves, and what may be next."""
    stable, lighter = load_detector(pull("yolo-fastest-xl")).detect, load_detector(pull("yolo-fastest")).detect
    return stable, {
        "the same, on JPEGs of quality 90": lambda image: stable(_compressed(image)),
        "another network (Yolo-Fastest 1.1)": lighter,
        "red and blue swapped": lambda image: stable(np.ascontiguousarray(image[..., ::-1])),
        "boxes in pixels of another size (x 0.8)": lambda image: [one.scaled(0.8, 0.8) for one in stable(image)],
        "classes numbered otherwise": lambda image: [
            one.model_copy(update={"label": f"not {one.label}"}) for one in stable(image)
        ],
        "nothing found": lambda _image: [],
    }


def _compressed(image: _Image) -> _Image:
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disagreement", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=_PHOTOS, help="folder of photos")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    images = [photo.image for photo in read_photos(given.data, None, [], most=_MOST)]
    stable, others = revisions()
    answers = [encode_output(list(stable(image)), list[Detection]) for image in images]
    found = {
        name: mean(
            disagreement(answer, encode_output(list(detect(image)), list[Detection]))
            for answer, image in zip(answers, images, strict=True)
        )
        for name, detect in others.items()
    }
    print(f"{len(images)} photos, against Yolo-Fastest 1.1-xl")
    for name, value in found.items():
        print(f"{name:42} {value:6.1%}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
