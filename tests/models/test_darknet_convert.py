import ast
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.models import DarknetConfigError, DarknetWeightsError, ModelError
from astraea.models.darknet import convert_darknet
from astraea.models.darknet.cfg import parse_cfg, read_cfg
from astraea.models.darknet.convert import guess_fit
from astraea.models.darknet.network import Convolution, Network, Shape, build_network
from astraea.models.darknet.weights import read_weights
from astraea.models.runtime import open_session
from benchmarks.seeded_weights import write_weights

CFG = """
[net]
width=64
height=32
channels=3
[convolutional]
batch_normalize=1
filters=4
size=3
stride=2
pad=1
activation=leaky
[convolutional]
filters=14
size=1
activation=linear
[yolo]
classes=2
num=2
anchors=8,9, 20,30
"""
SIZE_BYTES = 20 + 4 * (4 * 4 + 4 * 3 * 9 + 14 + 14 * 4)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A cfg, weights that fit, and where the model is to go."""
    cfg, weights = tmp_path / "small.cfg", tmp_path / "small.weights"
    cfg.write_text(CFG)
    write_weights(weights, network())
    return cfg, weights, tmp_path / "model.onnx"


def network() -> Network:
    return build_network(parse_cfg(CFG, "small.cfg"))


def left_over(files: tuple[Path, Path, Path]) -> set[Path]:
    return set(files[0].parent.iterdir()) - set(files[:2])


def convert(files: tuple[Path, Path, Path], **options: Any) -> onnx.ModelProto:
    convert_darknet(*files, **options)
    return onnx.load(files[2])


@pytest.mark.parametrize("difference", [-SIZE_BYTES + 20, -4, -1, 1, 4, 1_000_000])
def test_weights_too_short_or_too_long_are_refused_with_both_sizes(
    files: tuple[Path, Path, Path], difference: int
) -> None:
    cfg, weights, output = files
    content = weights.read_bytes()
    assert len(content) == SIZE_BYTES
    weights.write_bytes(content.ljust(SIZE_BYTES + difference, b"\0")[: SIZE_BYTES + difference])
    with pytest.raises(DarknetWeightsError, match=f"expected {SIZE_BYTES} bytes, found {SIZE_BYTES + difference}"):
        convert_darknet(cfg, weights, output)
    assert not left_over(files)


@pytest.mark.parametrize("content", [b"", b"\0" * 11])
def test_weights_without_a_header_are_refused(files: tuple[Path, Path, Path], content: bytes) -> None:
    files[1].write_bytes(content)
    with pytest.raises(DarknetWeightsError, match=rf"small.weights has {len(content)} bytes, not even a header"):
        convert_darknet(*files)


def test_transposed_weights_are_refused(files: tuple[Path, Path, Path]) -> None:
    files[1].write_bytes(struct.pack("<3i", 1001, 2, 0) + files[1].read_bytes()[12:])
    with pytest.raises(DarknetWeightsError, match=r"version 1001\.2"):
        convert_darknet(*files)


@pytest.mark.parametrize(("index", "value"), [(0, np.nan), (12, -1.0), (-1, np.inf)])
def test_weights_that_are_no_numbers_are_refused(files: tuple[Path, Path, Path], index: int, value: float) -> None:
    content = files[1].read_bytes()
    numbers = np.frombuffer(content[20:], "<f4").copy()
    numbers[index] = value  # a bias, a variance, a kernel
    files[1].write_bytes(content[:20] + numbers.tobytes())
    with pytest.raises(DarknetWeightsError, match=r"no usable numbers for the convolution at small.cfg:\d+"):
        convert_darknet(*files)
    assert not left_over(files)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file_is_named(files: tuple[Path, Path, Path], missing: int) -> None:
    files[missing].unlink()
    with pytest.raises(ModelError, match=f"cannot read {files[missing]}: No such file"):
        convert_darknet(*files)


def test_names_must_be_as_many_as_classes(files: tuple[Path, Path, Path]) -> None:
    with pytest.raises(DarknetConfigError, match=r"small.cfg has 2 classes, but 1 names are given"):
        convert_darknet(*files, names=["car"])


def test_a_place_that_cannot_be_written_is_named_and_left_clean(files: tuple[Path, Path, Path]) -> None:
    files[2].mkdir()
    with pytest.raises(ModelError, match=f"cannot write {files[2]}: Is a directory"):
        convert_darknet(*files)
    assert left_over(files) == {files[2]}


def test_an_earlier_model_survives_a_conversion_that_fails(files: tuple[Path, Path, Path]) -> None:
    files[2].write_bytes(b"earlier")
    files[1].write_bytes(files[1].read_bytes()[:-4])
    with pytest.raises(DarknetWeightsError):
        convert_darknet(*files)
    assert files[2].read_bytes() == b"earlier"


def test_the_model_says_what_it_is_as_ultralytics_exports_do(files: tuple[Path, Path, Path]) -> None:
    metadata = {entry.key: entry.value for entry in convert(files, names=["car", "bus"]).metadata_props}
    assert ast.literal_eval(metadata["names"]) == {0: "car", 1: "bus"}
    assert ast.literal_eval(metadata["imgsz"]) == [32, 64]
    assert (metadata["task"], metadata["stride"]) == ("detect", "2")
    assert (metadata["astraea_head"], metadata["astraea_fit"]) == ("boxes+scores", "letterbox")


@pytest.mark.parametrize(
    ("cfg", "fit"),
    [
        (CFG, "letterbox"),
        (CFG + "iou_loss=ciou\n", "stretch"),
        (CFG.replace("width", "letter_box=1\nwidth") + "iou_loss=ciou\n", "letterbox"),
    ],
)
def test_images_are_fitted_as_the_darknet_that_trained_the_network_does(cfg: str, fit: str) -> None:
    assert guess_fit(parse_cfg(cfg, "small.cfg")) == fit


def test_yolov3_sees_proportions_and_yolo_fastest_does_not(shared_data: Path) -> None:
    fits = {path.stem: guess_fit(read_cfg(path)) for path in (shared_data / "darknet").glob("*.cfg")}
    assert {name for name, fit in fits.items() if fit == "letterbox"} == {"yolov3", "yolov3-tiny"}
    assert {name for name, fit in fits.items() if fit == "stretch"} == {"yolo-fastest-1.1", "yolo-fastest-1.1-xl"}


def test_the_model_takes_batches_and_gives_boxes_and_scores(files: tuple[Path, Path, Path]) -> None:
    convert(files)
    session = open_session(files[2])
    assert [(node.name, node.shape) for node in session.get_inputs()] == [("images", ["batch", 3, 32, 64])]
    outputs = {node.name: node.shape for node in session.get_outputs()}
    assert outputs == {"boxes": ["batch", 16 * 32 * 2, 4], "scores": ["batch", 16 * 32 * 2, 2]}


def test_a_grid_is_decoded_cell_by_cell(files: tuple[Path, Path, Path]) -> None:
    files[1].write_bytes(files[1].read_bytes()[:20] + bytes(SIZE_BYTES - 20))  # all zero: sigmoids 0.5, exponentials 1
    convert(files)
    boxes, scores = open_session(files[2]).run(None, {"images": np.zeros((1, 3, 32, 64), np.float32)})
    y, x, _ = np.mgrid[:16, :32, :2]
    half = np.array([[8, 9], [20, 30]]) / 2
    centre = np.stack([x, y], axis=-1) * 2 + 1  # cells of 2 pixels
    np.testing.assert_allclose(boxes[0], np.concatenate([centre - half, centre + half], axis=-1).reshape(-1, 4))
    np.testing.assert_allclose(scores, 0.25)


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    groups = draw(st.integers(1, 3))
    filters, channels = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    return Convolution(
        "drawn.cfg:1",
        (-1,),
        Shape(filters, 8, 8),
        in_channels=channels,
        size=draw(st.integers(1, 3)),
        stride=1,
        padding=0,
        groups=groups,
        batch_normalize=draw(st.booleans()),
        activation="linear",
    )


@given(
    layers=st.lists(convolutions(), min_size=1, max_size=4),
    version=st.tuples(st.integers(0, 3), st.integers(0, 20)),
    seed=st.integers(0, 1000),
)
def test_numbers_are_read_for_any_layers_and_any_version(
    layers: list[Convolution], version: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    seen_bytes = 8 if version[0] * 10 + version[1] >= 2 else 4
    content = struct.pack("<3i", *version, 0) + bytes(seen_bytes)
    expected = []
    for layer in layers:
        filters = layer.shape.channels
        bias, scale, mean, variance = random.uniform(0.5, 2, (4, filters)).astype("<f4")
        kernel = random.normal(size=(filters, layer.in_channels // layer.groups, layer.size, layer.size)).astype("<f4")
        if layer.batch_normalize:
            content += b"".join(values.tobytes() for values in (bias, scale, mean, variance))
            factor = scale / np.sqrt(variance + 1e-6)
            expected.append((kernel * factor[:, None, None, None], bias - mean * factor))
        else:
            content += bias.tobytes()
            expected.append((kernel, bias))
        content += kernel.tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.weights"
        path.write_bytes(content)
        for found, (kernel, bias) in zip(read_weights(path, layers), expected, strict=True):
            np.testing.assert_allclose(found.weight, kernel, rtol=1e-5)
            np.testing.assert_allclose(found.bias, bias, rtol=1e-5, atol=1e-6)
