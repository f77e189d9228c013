"""INT8: a detector's convolutions computed in whole numbers, scaled by what calibration images make of its layers.

Static quantisation by onnxruntime (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html):
weights per channel, activations in 8 bits without a sign, their ranges a moving average of the least and the greatest.
The last convolutions stay as they are: what comes after them is coordinates, and 1/256 of an image's width is much.
"""

import contextlib
import io
import logging
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from astraea.protocol.model_format import ONNX_FILE

from .accuracy import mean_average_precision
from .errors import ModelFileError
from .loading import locate
from .photos import Photo
from .plates import DETECTOR_FILE
from .yolo import YoloDetector

_CONVOLUTION = "Conv"
_CONFIDENCE = 0.05
"""Low enough for most of the curve of precision over recall that a mean average precision is made of."""
_SURE = 0.25
"""What the original model finds with this score counts as there, where nobody has labelled the images."""
_WARM_UP = 3


class Measured(NamedTuple):
    """What a model file is worth."""

    size_bytes: int
    ms: float
    """Median time of an image on this machine, fitting it into the input included."""
    accuracy: float
    """mAP@0.5, 0 to 1: against labels, or where there are none, against what the original model finds."""


def find_model_file(source: str) -> Path:
    """The ONNX file of a YOLO detector by a zoo name, a path or a folder as `pull` returns it.

    Raises:
        UnknownModelError: There is neither a zoo model nor a file of this name.
        ModelFileError: It is a model of another kind.
    """
    path = locate(source)
    if (path / DETECTOR_FILE).exists():
        raise ModelFileError(f"{source} is no YOLO detector: only those are quantised so far")
    return path / ONNX_FILE if path.is_dir() else path


def class_names(model: Path) -> list[str]:
    """A detector's classes in the order of their numbers."""
    names = YoloDetector(model).names
    return [names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1)]


def quantize(model: Path, photos: Sequence[Photo], output: Path, *, on_progress: Callable[[], None]) -> None:
    """Write a detector's INT8 twin, for processors like this machine's.

    Args:
        model: An ONNX file that `YoloDetector` reads.
        photos: Images like those it will see; some dozens suffice.
        output: The file to write, once all of it is there; it may not be the model itself.
        on_progress: Called for every image.

    Raises:
        ModelFileError: The model is no detector known here, has no convolution to quantise, or would be overwritten.
    """
    if output.exists() and output.samefile(model):
        raise ModelFileError(f"{output} is the model itself", hint="give another --output")
    detector = YoloDetector(model)
    kept = _last_convolutions(onnx.load(model).graph)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), _quiet_root_logger():
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Calibration(detector, photos, on_progress),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[_CONVOLUTION],
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=_weight_type(),
            extra_options={"CalibMovingAverage": True},
        )
        shutil.move(quantised, output)


def compare(
    before: Path, after: Path, photos: Sequence[Photo], *, on_progress: Callable[[], None]
) -> tuple[Measured, Measured]:
    """Measure two models on the same images, in turns, so that both meet the same machine."""
    detectors = [YoloDetector(path, confidence=_CONFIDENCE) for path in (before, after)]
    times_ms: list[list[float]] = [[], []]
    found: list[list[Any]] = [[], []]
    for detector in detectors:
        for photo in photos[:_WARM_UP]:
            detector.detect(photo.image)
    for photo in photos:
        for index, detector in enumerate(detectors):
            start = perf_counter()
            found[index].append(detector.detect(photo.image))
            times_ms[index].append((perf_counter() - start) * 1000)
        on_progress()
    original = [[one for one in things if one.score >= _SURE] for things in found[0]]
    truth = [photo.truth if photo.truth is not None else things for photo, things in zip(photos, original, strict=True)]
    first, second = (
        Measured(path.stat().st_size, median(times_ms[index]), mean_average_precision(truth, found[index]))
        for index, path in enumerate((before, after))
    )
    return first, second


def _weight_type() -> QuantType:
    """Weights with a sign, for which onnxruntime has its fastest convolutions, where they are right.

    x86 processors without VNNI let the sums of their products with unsigned activations overflow, and the twin would
    find less there than the original: see the page above, which has weights without a sign for those.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return QuantType.QInt8
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        features = ""
    return QuantType.QInt8 if "vnni" in features else QuantType.QUInt8


class _Calibration(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no annotations
    """The images as the network takes them, one by one."""

    def __init__(self, detector: YoloDetector, photos: Sequence[Photo], on_progress: Callable[[], None]) -> None:
        self._detector = detector
        self._photos = iter(photos)
        self._on_progress = on_progress

    def get_next(self) -> dict[str, Any] | None:
        photo = next(self._photos, None)
        if photo is None:
            return None
        self._on_progress()
        return self._detector.prepare(photo.image)[1]


def _last_convolutions(graph: Any) -> list[str]:
    """The names of the convolutions after which no other one comes.

    Raises:
        ModelFileError: there is none at all.
    """
    before_another: set[str] = set()
    """Tensors that some convolution depends on."""
    last = []
    for node in reversed(graph.node):  # ONNX keeps nodes in an order in which they can be computed
        feeds = any(output in before_another for output in node.output)
        if node.op_type == _CONVOLUTION and not feeds:
            last.append(node.name)
        if node.op_type == _CONVOLUTION or feeds:
            before_another.update(node.input)
    if not last:
        raise ModelFileError("the model has no convolution, so there is nothing to quantise")
    return last


@contextlib.contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Onnxruntime's tools warn on the root logger of what has just been taken care of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
