"""The converted model against OpenCV's own Darknet importer, on the same input."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from astraea.models import YoloDetector
from astraea.models.darknet import convert_darknet
from astraea.models.darknet.cfg import parse_cfg, read_cfg
from astraea.models.darknet.network import Network, Shape, build_network
from astraea.models.images import PLACEMENTS
from astraea.models.metadata import Fit
from astraea.protocol import Detection
from benchmarks.opencv_darknet import OpenCvDetector
from benchmarks.seeded_weights import write_weights

PHOTOS = ("dog", "giraffe", "horses", "person")
YOLO_FASTEST = ("yolo-fastest-1.1", "yolo-fastest-1.1-xl")

SPP_CFG = """
[net]
width=96
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=16
groups=4
size=3
stride=2
pad=1
activation=mish

# Spatial pyramid pooling, as in yolov3-spp
[maxpool]
stride=1
size=5

[route]
layers=-2

[maxpool]
stride=1
size=9

[route]
layers=1

[maxpool]
stride=1
size=13

[route]
layers=-1,-3,-5,-6

[convolutional]
batch_normalize=1
filters=16
size=1
activation=swish

[dropout]
probability=.2

[shortcut]
from=-9
activation=leaky

[route]
layers=-1
groups=2
group_id=1

[maxpool]
size=2
stride=1

[convolutional]
filters=24
size=2
stride=2
activation=logistic

[convolutional]
filters=16
size=1
activation=linear

[yolo]
mask=0,2
anchors=10,12, 20,18, 33.5,40
classes=3
num=3
scale_x_y=1.1

[route]
layers=-3

[upsample]
stride=2

[route]
layers=-1,-8

[convolutional]
filters=8
size=3
pad=1
activation=linear

[yolo]
mask=1
anchors=10,12, 20,18, 33.5,40
classes=3
num=3
scale_x_y=0.9
"""


HEAD = (
    "[convolutional]\nsize=1\nfilters=16\nactivation=linear\n[yolo]\nclasses=3\nnum=2\nmask=0,1\nanchors=8,9, 20.5,14\n"
)


@st.composite
def small_networks(draw: st.DrawFn) -> str:
    """Cfgs of a few layers of every kind, and one head."""
    width, height = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    cfg = f"[net]\nwidth={width}\nheight={height}\nchannels=3\n[convolutional]\nsize=1\nfilters=8\nactivation=leaky\n"
    for _ in range(draw(st.integers(0, 8))):
        layers = build_network(parse_cfg(cfg + HEAD, "drawn")).layers[:-2]
        kind = draw(st.sampled_from([convolution, maxpool, route, shortcut, upsample]))
        cfg += draw(kind([layer.shape for layer in layers]))
    return cfg + HEAD


@st.composite
def convolution(draw: st.DrawFn, shapes: list[Shape]) -> str:
    channels, height, width = shapes[-1]
    groups = draw(st.sampled_from([group for group in (1, 2, 3, channels) if channels % group == 0]))
    return (
        f"[convolutional]\nfilters={groups * draw(st.integers(1, 3))}\ngroups={groups}\n"
        f"size={draw(st.integers(1, min(5, height, width)))}\nstride={draw(st.integers(1, 2))}\n"
        f"pad={draw(st.integers(0, 1))}\nbatch_normalize={draw(st.integers(0, 1))}\n"
        # What OpenCV knows, too.
        f"activation={draw(st.sampled_from(['leaky', 'linear', 'logistic', 'mish', 'swish']))}\n"
    )


@st.composite
def maxpool(draw: st.DrawFn, shapes: list[Shape]) -> str:
    size, stride = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    padding = draw(st.sampled_from(["", f"padding={size - 1}\n"]))
    return f"[maxpool]\nsize={size}\nstride={stride}\n{padding}"


@st.composite
def route(draw: st.DrawFn, shapes: list[Shape]) -> str:
    one = draw(st.sampled_from(shapes))
    joinable = [index for index, shape in enumerate(shapes) if shape[1:] == one[1:]]
    chosen = draw(st.lists(st.sampled_from(joinable), min_size=1, max_size=3))
    # OpenCV loses count of its layers where several are split.
    groups = draw(st.sampled_from([1, 2] if len(chosen) == 1 and shapes[chosen[0]].channels % 2 == 0 else [1]))
    layers = [draw(st.sampled_from([index, index - len(shapes)])) for index in chosen]
    group_id = draw(st.integers(0, groups - 1))
    return f"[route]\nlayers={','.join(map(str, layers))}\ngroups={groups}\ngroup_id={group_id}\n"


@st.composite
def shortcut(draw: st.DrawFn, shapes: list[Shape]) -> str:
    others = [index - len(shapes) for index, shape in enumerate(shapes) if shape == shapes[-1]]
    return f"[dropout]\n[shortcut]\nfrom={draw(st.sampled_from(others)) - 1}\nactivation=leaky\n"


@st.composite
def upsample(draw: st.DrawFn, shapes: list[Shape]) -> str:
    return f"[upsample]\nstride={draw(st.integers(1, 3))}\n" if shapes[-1].width < 64 else "[dropout]\n"


class Sides:
    """One network, converted and run by us, imported and run by OpenCV."""

    def __init__(
        self, cfg: Path, weights: Path, folder: Path, *, fit: Fit = "stretch", confidence: float = 0.25
    ) -> None:
        self.network = build_network(read_cfg(cfg))
        names = [f"name {index}" for index in range(self.network.heads[0].classes)]
        self.model = folder / "model.onnx"
        convert_darknet(cfg, weights, self.model, names=names, fit=fit)
        self.detector = YoloDetector(self.model, confidence=confidence, threads=1)
        self.reference = OpenCvDetector(cfg, weights, names=names, fit=fit, confidence=confidence)

    def ours(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Corners as fractions of the input, batch x N x 4, and scores, batch x N x classes."""
        boxes, scores = self.detector.session.run(["boxes", "scores"], {"images": images})
        return boxes / np.array([self.network.input.width, self.network.input.height] * 2, np.float32), scores

    def opencvs(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same of one image, N x 4 and N x classes."""
        rows = self.reference.network(images)
        centre, half = rows[:, :2], rows[:, 2:4] / 2
        return np.concatenate([centre - half, centre + half], axis=1), rows[:, 5:]

    def assert_same_outputs(self, images: NDArray[np.float32], *, box_rtol: float = 0) -> None:
        (boxes, scores), (expected_boxes, expected_scores) = self.ours(images), self.opencvs(images)
        np.testing.assert_allclose(boxes[0], expected_boxes, rtol=box_rtol, atol=1e-3)
        np.testing.assert_allclose(scores[0], expected_scores, rtol=0, atol=1e-3)
        assert np.isfinite(boxes).all()

    def assert_says_something(self, images: NDArray[np.float32]) -> None:
        """If a network says the same of everything, agreeing with it means nothing."""
        assert np.ptp(self.reference.network(images)[:, 5:]) > 0.1

    def assert_same_detections(self, image: NDArray[np.uint8]) -> None:
        found, expected = self.detector.detect(image), self.reference.detect(image)
        assert expected
        assert len(found) == len(expected)
        for detection in expected:  # in whatever order, for the sake of ties
            assert any(_is_same(detection, other) for other in found), detection


def _is_same(one: Detection, other: Detection) -> bool:
    return one.label == other.label and abs(one.score - other.score) < 1e-3 and one.box.iou(other.box) > 0.99


def photo(shared_data: Path, name: str) -> NDArray[np.uint8]:
    image = cv2.imread(str(shared_data / "darknet" / f"{name}.jpg"), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return np.asarray(image, np.uint8)


def noise(network: Network, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((1, *network.input), np.float32)


def with_random_weights(cfg: Path, folder: Path, *, seed: int = 0) -> Sides:
    write_weights(folder / "random.weights", build_network(read_cfg(cfg)), seed=seed)
    # Random networks say much of everything: only the best of it is clear enough to be suppressed alike.
    return Sides(cfg, folder / "random.weights", folder, confidence=0.6)


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize("model", ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"])
def test_yolo_fastest_says_the_same_of_photos(shared_data: Path, tmp_path: Path, model: str, fit: Fit) -> None:
    folder = shared_data / "darknet"
    sides = Sides(folder / f"{model}.cfg", folder / f"{model}.weights", tmp_path, fit=fit)
    for name in PHOTOS:
        image = photo(shared_data, name)
        height, width = image.shape[:2]
        sides.assert_same_outputs(PLACEMENTS[fit](width, height, 320, 320).apply(image))
        sides.assert_same_detections(image)


@pytest.mark.parametrize("name", ["yolov3", "yolov3-tiny"])
def test_yolov3_with_random_weights_says_the_same(shared_data: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # half a gigabyte that pytest would keep
        sides = with_random_weights(shared_data / "darknet" / f"{name}.cfg", Path(folder))
    image = photo(shared_data, "dog")
    sides.assert_same_outputs(PLACEMENTS["stretch"](image.shape[1], image.shape[0], 416, 416).apply(image))
    sides.assert_same_detections(image)


@pytest.fixture
def spp(tmp_path: Path) -> Sides:
    cfg = tmp_path / "spp.cfg"
    cfg.write_text(SPP_CFG)
    return with_random_weights(cfg, tmp_path)


def test_pyramid_pooling_groups_and_scaled_centres_say_the_same(spp: Sides) -> None:
    spp.assert_same_outputs(noise(spp.network))
    spp.assert_says_something(noise(spp.network))


def test_a_converted_model_keeps_to_the_onnx_standard(spp: Sides) -> None:
    onnx.checker.check_model(spp.model, full_check=True)


def test_a_batch_gives_what_its_images_give_alone(spp: Sides) -> None:
    images = [noise(spp.network, seed) for seed in range(3)]
    together = spp.ours(np.concatenate(images))
    for index, image in enumerate(images):
        for batched, alone in zip(together, spp.ours(image), strict=True):
            np.testing.assert_allclose(batched[index], alone[0], atol=1e-5)


@given(cfg=small_networks(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_any_small_network_says_the_same(cfg: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "small.cfg"
        path.write_text(cfg)
        sides = with_random_weights(path, Path(name), seed=seed)
        sides.assert_same_outputs(noise(sides.network), box_rtol=1e-3)  # shortcuts may add up to enormous boxes
