"""The network of YOLOv3 (https://arxiv.org/abs/1804.02767) for any size of image, with weights that a seed makes.

They find nothing, and cost the same arithmetic as trained ones: 65.9 GFLOP a frame at 416 x 416, 140.7 at 608 x 608.
"""

from pathlib import Path

from astraea.models.darknet import convert_darknet
from astraea.models.darknet.cfg import parse_cfg
from astraea.models.darknet.network import build_network

from .seeded_weights import write_weights

_ANCHORS = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
_CLASSES = 80
_STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))
"""Filters and residual blocks of each stage of Darknet-53."""
_SHORTCUT = "[shortcut]\nfrom=-3\nactivation=linear"


def yolov3_cfg(size: int) -> str:
    """Darknet's description of the network.

    Args:
        size: Of the square images that it takes, in pixels; a multiple of 32.
    """
    sections = [f"[net]\nwidth={size}\nheight={size}\nchannels=3", _convolution(32, 3)]
    for filters, blocks in _STAGES:
        sections.append(_convolution(filters, 3, stride=2))
        for _ in range(blocks):
            sections += [
                _convolution(filters // 2, 1),
                _convolution(filters, 3),
                "[shortcut]\nfrom=-3\nactivation=linear",
            ]
    sections += _head(512, "6,7,8")
    for filters, mask, layer in ((256, "3,4,5", 61), (128, "0,1,2", 36)):
        sections += [
            "[route]\nlayers=-4",
            _convolution(filters, 1),
            "[upsample]\nstride=2",
            f"[route]\nlayers=-1,{layer}",
            *_head(filters, mask),
        ]
    return "\n\n".join(sections) + "\n"


def write_yolov3(folder: Path, size: int) -> Path:
    """The network as an ONNX file, some 250 MB, in a folder."""
    cfg, weights, output = (folder / f"yolov3-{size}.{suffix}" for suffix in ("cfg", "weights", "onnx"))
    cfg.write_text(yolov3_cfg(size))
    write_weights(weights, build_network(parse_cfg(cfg.read_text(), cfg.name)))
    convert_darknet(cfg, weights, output)
    weights.unlink()
    return output


def _convolution(filters: int, size: int, stride: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation=leaky"
    )


def _head(filters: int, mask: str) -> list[str]:
    last = f"[convolutional]\nfilters={3 * (5 + _CLASSES)}\nsize=1\nstride=1\npad=1\nactivation=linear"
    yolo = f"[yolo]\nmask={mask}\nanchors={_ANCHORS}\nclasses={_CLASSES}\nnum=9"
    return [*(_convolution(filters * (1 + layer % 2), 1 + 2 * (layer % 2)) for layer in range(6)), last, yolo]
