"""Darknet networks, converted when they are opened."""

from pathlib import Path

import numpy as np
import pytest

from astraea.edge_server import ModelFormatError, TensorSpec, open_model
from astraea.models import YoloDetector
from benchmarks.seeded_weights import write_weights

CFG = """
[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=21
size=1
stride=1
activation=linear
[yolo]
mask=0,1,2
anchors=4,4, 8,8, 16,16
classes=2
num=3
"""


@pytest.fixture
def darknet(tmp_path: Path) -> Path:
    """The configuration of a network whose weights and names lie beside it."""
    from astraea.models.darknet.cfg import read_cfg
    from astraea.models.darknet.network import build_network

    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(CFG.lstrip())
    write_weights(tmp_path / "tiny.weights", build_network(read_cfg(cfg)))
    (tmp_path / "tiny.names").write_text("cat\ndog\n")
    return cfg


@pytest.mark.parametrize("suffix", [".cfg", ".weights"])
def test_a_darknet_network_is_converted_once(darknet: Path, cache: Path, suffix: str) -> None:
    model = open_model(darknet.with_suffix(suffix))
    assert model.inputs == (TensorSpec("images", "FP32", (-1, 3, 32, 32)),)
    assert isinstance(model.native, YoloDetector)
    model.native.detect(np.zeros((48, 64, 3), np.uint8))
    (made,) = (cache / "astraea" / "converted").iterdir()
    before = made.stat().st_mtime_ns
    open_model(darknet)
    assert made.stat().st_mtime_ns == before


def test_other_weights_are_converted_anew(darknet: Path, cache: Path) -> None:
    open_model(darknet)
    weights = darknet.with_suffix(".weights")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    open_model(darknet)
    assert len(list((cache / "astraea" / "converted").iterdir())) == 2


def test_half_a_darknet_network_is_told_what_it_lacks(darknet: Path) -> None:
    darknet.with_suffix(".weights").unlink()
    with pytest.raises(ModelFormatError, match=r"there is no tiny\.weights beside tiny\.cfg"):
        open_model(darknet)
