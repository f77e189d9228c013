"""The network that the GPU benchmark runs is YOLOv3's own, and where it can't run the benchmark says why."""

import re
from pathlib import Path

import onnxruntime as ort
import pytest

from astraea.models.darknet.cfg import parse_cfg
from astraea.models.darknet.network import build_network
from benchmarks import gpu
from benchmarks.yolov3 import yolov3_cfg


@pytest.mark.parametrize("size", [416, 608])
def test_the_network_is_the_published_one(shared_data: Path, size: int) -> None:
    published = (shared_data / "darknet" / "yolov3.cfg").read_text()
    resized = re.sub(r"(?m)^(width|height)=\d+", rf"\g<1>={size}", published)
    ours, theirs = (build_network(parse_cfg(text, "yolov3.cfg")) for text in (yolov3_cfg(size), resized))
    assert _layers(ours.layers) == _layers(theirs.layers)
    assert ours.input == theirs.input


def _layers(layers: object) -> str:
    """All that is to be known of them, but the lines that they were read from."""
    return re.sub(r"where='[^']*'", "", repr(layers))


def test_without_a_gpu_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    gpu.main([])
    assert "pip install 'astraea[gpu]'" in capsys.readouterr().out
