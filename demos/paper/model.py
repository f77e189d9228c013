"""The models of the experiment: YOLOv3 in any size, and a small quantised one."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from astraea.device import Frame
from astraea.models import DownloadError, convert_darknet
from astraea.models.fetch import fetch
from astraea.models.photos import Photo
from astraea.models.quantize import find_model_file, quantize
from astraea.models.runtime import open_session
from astraea.models.zoo import find_model
from benchmarks.regret import SHARED_TRACES
from benchmarks.yolov3 import write_yolov3, yolov3_cfg

SEEDED = "random weights of a seed: the same arithmetic as the official ones, and they find nothing"
OFFICIAL = "the official weights"
SMALL = "yolo-fastest"
CPU = "CPU"
_MIRROR = "ASTRAEA_MODEL_MIRROR"
_log = logging.getLogger(__name__)


class Network:
    """YOLOv3, all 106 layers of its cfg.

    Args:
        seeded: do not try to fetch the official weights, 248 MB.

    Attributes:
        weights: which ones it has, in words.
    """

    def __init__(self, *, seeded: bool) -> None:
        self._weights: Path | None = None
        self.weights = SEEDED
        if not seeded:
            self._fetch()

    def write(self, folder: Path, size: int) -> Path:
        """Write it as an ONNX file for square images of `size` pixels, a multiple of 32."""
        if self._weights is None:
            return write_yolov3(folder, size)
        cfg, output = folder / f"yolov3-{size}.cfg", folder / f"yolov3-{size}.onnx"
        cfg.write_text(yolov3_cfg(size))
        convert_darknet(cfg, self._weights, output)
        return output

    def _fetch(self) -> None:
        (file,) = (file for file in find_model("yolov3").files if file.name.endswith(".weights"))
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "astraea" / "paper"
        cache.mkdir(parents=True, exist_ok=True)
        try:
            self._weights, self.weights = fetch(file, cache, on_progress=lambda _: None), OFFICIAL
        except DownloadError as error:
            _log.info("%s", error)


def processor(model: Path) -> str:
    """What an edge server on this machine runs a model on: `GPU` or `CPU`."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return CPU
    return CPU if open_session(model).get_providers()[0] == "CPUExecutionProvider" else "GPU"


def write_int8(model: Path, output: Path, frames: Sequence[Frame]) -> Path:
    """Write a detector's INT8 twin, as `astraea models quantize` does, its layers' ranges taken from some frames."""
    quantize(model, [Photo(frame.image, None) for frame in frames], output, on_progress=lambda: None)
    return output


def write_small(folder: Path, frames: Sequence[Frame]) -> Path:
    """Write Yolo-Fastest in INT8.

    Raises:
        DownloadError: the zoo cannot have it here.
    """
    if (beside := SHARED_TRACES.parent / "darknet").is_dir():
        os.environ.setdefault(_MIRROR, str(beside))
    return write_int8(find_model_file(SMALL), folder / "small-int8.onnx", frames)
