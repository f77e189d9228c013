"""Darknet's networks, converted to ONNX on the first load, and detectors of the zoo, which have been."""

from pathlib import Path

from astraea.models import YoloDetector
from astraea.protocol.model_format import ONNX_FILE

from ..errors import ModelFormatError
from .converted import converted
from .model import Model
from .onnx import model_of

_RECIPE = "darknet-1"  # raise it when the converter makes something else of the same files


def open_model(path: Path) -> Model:
    """A `YoloDetector`, of a zoo model's folder or of one of the two files that Darknet has: NAME.cfg, NAME.weights.

    The classes' names are the lines of NAME.names, if it lies beside them.
    """
    return open_detector(path / ONNX_FILE if path.is_dir() else _convert(path))


def open_detector(onnx_file: Path) -> Model:
    """A `YoloDetector` of an ONNX file, and its tensors."""
    detector = YoloDetector(onnx_file)
    return model_of(detector.session, detector)


def _convert(path: Path) -> Path:
    cfg, weights, names = (path.with_suffix(suffix) for suffix in (".cfg", ".weights", ".names"))
    for file in (cfg, weights):
        if not file.is_file():
            raise ModelFormatError(
                f"a Darknet network is two files, and there is no {file.name} beside {path.name} in {path.parent}",
                hint="give the .cfg and the .weights the same name but for that",
            )
    labels = names.read_text(encoding="utf-8").splitlines() if names.is_file() else []
    sources = [cfg, weights, *([names] if labels else [])]

    def convert(made: Path) -> None:
        from astraea.models import convert_darknet  # noqa: PLC0415 - brings onnx, which a converted model needs not

        convert_darknet(cfg, weights, made, names=labels)

    return converted(sources, _RECIPE, convert)
