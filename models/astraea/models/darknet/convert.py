"""From Darknet's two files to one ONNX file."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import onnx
from onnx import helper

from ..errors import DarknetConfigError, ModelError
from ..metadata import Fit, YoloMetadata
from .cfg import Section, read_cfg
from .graph import write_graph
from .network import Network, build_network
from .weights import read_weights

_FORK_OPTIONS = frozenset({"beta_nms", "cls_normalizer", "iou_loss", "iou_normalizer", "iou_thresh", "nms_kind"})


def convert_darknet(
    cfg: Path, weights: Path, output: Path, *, names: Sequence[str] = (), fit: Fit | None = None
) -> None:
    """Write a Darknet detector (YOLOv3, -tiny, -SPP, Yolo-Fastest and their like) as an ONNX model.

    `graph.write_graph` documents the model's input and outputs, `YoloMetadata` what it says of itself. `output` is
    there when all is done, and left as it was if anything fails.

    Args:
        cfg: The network's description.
        weights: Its numbers.
        output: The file to write; its folder exists.
        names: The classes, in order; without any, detections will be labelled `class 0`, `class 1` and so on.
        fit: How the network was trained to see images, where it is not as `guess_fit` finds.

    Raises:
        DarknetConfigError: The cfg does not parse or asks for what is not known, or there are more or fewer names than
            it has classes.
        DarknetWeightsError: The weights are not those of the cfg.
        ModelError: The output cannot be written.
    """
    sections = read_cfg(cfg)
    network = build_network(sections)
    classes = network.heads[0].classes
    if names and len(names) != classes:
        raise DarknetConfigError(f"{cfg.name} has {classes} classes, but {len(names)} names are given")
    model = write_graph(network, read_weights(weights, network.convolutions))
    helper.set_model_props(model, _metadata(network, names, fit or guess_fit(sections)).properties())
    _save(model, output)


def guess_fit(sections: Sequence[Section]) -> Fit:
    """How a network was trained to see images, which a cfg tells only by what else it has.

    The original Darknet (YOLOv3) keeps their proportions. AlexeyAB's fork, with which most later networks such as
    Yolo-Fastest were trained, stretches them unless `letter_box` is set; options that only it has give its cfgs away.
    """
    of_fork = any(_FORK_OPTIONS & section.options.keys() for section in sections if section.kind == "yolo")
    return "stretch" if of_fork and not sections[0].integer("letter_box", 0, high=1) else "letterbox"


def _metadata(network: Network, names: Sequence[str], fit: Fit) -> YoloMetadata:
    return YoloMetadata(
        names=dict(enumerate(names)),
        imgsz=[network.input.height, network.input.width],
        stride=max(network.input.width // head.shape.width for head in network.heads),
        astraea_head="boxes+scores",
        astraea_fit=fit,
    )


def _save(model: onnx.ModelProto, output: Path) -> None:
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        onnx.save(model, part)
        part.replace(output)
    except OSError as error:
        raise ModelError(f"cannot write {output}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # gone, renamed, or in a place where nothing can be
            part.unlink()
