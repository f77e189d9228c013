"""`astraea profile` against a real service with a small model, and what its profile is good for."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from astraea.device.profile import read_profile
from astraea.models.darknet import convert_darknet

from .conftest import Instance, Site

HANDLER = """
from astraea.edge_server import Image
from astraea.models import YoloDetector
from astraea.protocol import Detection


def predict(model: YoloDetector, image: Image) -> list[Detection]:
    return model.detect(image)
"""
LADDER = ["--side", "0", "--side", "160", "--quality", "95", "--quality", "40", "--most", "8"]


@pytest.fixture
def objects(site: Site, shared_data: Path, tmp_path: Path) -> Iterator[Site]:
    """A detector of 80 kinds of things, served."""
    folder = tmp_path / "objects"
    folder.mkdir()
    for name in ("yolo-fastest-1.1-xl.cfg", "yolo-fastest-1.1-xl.weights"):
        shutil.copy(shared_data / "darknet" / name, folder)
    shutil.copy(shared_data / "darknet" / "coco.names", folder / "yolo-fastest-1.1-xl.names")
    (folder / "astraea.yaml").write_text(
        "name: objects\nversion: 1.0.0\nmodel: yolo-fastest-1.1-xl.cfg\nhandler: handler.py\n"
    )
    (folder / "handler.py").write_text(HANDLER)
    instance = Instance(site, folder, "objects-1")
    try:
        instance.await_listed()
        yield site
    finally:
        instance.stop()


@pytest.fixture
def small_model(shared_data: Path, tmp_path: Path) -> Path:
    darknet, model = shared_data / "darknet", tmp_path / "small.onnx"
    names = (darknet / "coco.names").read_text().splitlines()
    convert_darknet(darknet / "yolo-fastest-1.1.cfg", darknet / "yolo-fastest-1.1.weights", model, names=names)
    return model


def test_images_alone_are_judged_by_the_answers_to_lossless_ones(
    objects: Site, shared_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "profile.json"
    shown = objects.astraea(
        "profile", "objects", "--images", str(shared_data / "coco" / "images"), *LADDER, "--output", str(path)
    )
    profile = read_profile(path)
    full, full_poor, small, small_poor = profile.rungs
    assert [(rung.max_side, rung.quality) for rung in profile.rungs] == [(None, 95), (None, 40), (160, 95), (160, 40)]
    assert full.bytes > full_poor.bytes > small_poor.bytes
    assert small.bytes > small_poor.bytes
    assert full.accuracy > 0.6
    assert full.accuracy > small_poor.accuracy
    assert all(rung.edge_ms > 0 and rung.encode_ms > 0 and rung.local_ms is None for rung in profile.rungs)
    assert (profile.frame_bytes, profile.width) == (full.bytes, 640)
    assert "lossless" in shown


def test_labels_and_a_local_model_make_a_profile_that_the_simulator_plays_with(
    objects: Site, shared_data: Path, small_model: Path, tmp_path: Path
) -> None:
    coco, path, plot = shared_data / "coco", tmp_path / "profile.json", tmp_path / "rungs.png"
    names = shared_data / "darknet" / "coco.names"
    labels = ["--labels", str(coco / "labels"), "--names", str(names), "--local", str(small_model)]
    files = ["--output", str(path), "--plot", str(plot)]
    objects.astraea("profile", "objects", "--images", str(coco / "images"), *labels, *LADDER, *files)
    profile = read_profile(path)
    assert 0.2 < profile.rungs[0].accuracy < 1
    assert 0 < profile.local_accuracy < 1
    assert all(rung.local_ms for rung in profile.rungs)
    assert plot.read_bytes().startswith(b"\x89PNG")

    trace = tmp_path / "steady.csv"
    trace.write_text("t_s,uplink_mbps\n0,2\n5,2\n")
    objective = ["--objective", "accuracy", "--deadline-ms", "200"]
    played = objects.astraea("simulate", "--trace", str(trace), "--profile", str(path), *objective, "--json")
    policies = json.loads(played)["traces"][0]["policies"]
    assert policies["adaptive"]["accuracy"] <= policies["oracle"]["accuracy"] + 1e-9
    assert policies["oracle"]["accuracy"] > 0
