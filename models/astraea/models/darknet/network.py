"""What a Darknet network computes: its layers with every shape known, from the sections of a cfg.

Meaning and defaults of the options are those of Darknet's parser (github.com/AlexeyAB/darknet, src/parser.c). An
option that would change the result in a way that is not implemented is refused; all others, such as those for training,
have no say in inference.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import DarknetConfigError
from .cfg import Section

ACTIVATIONS = frozenset({"leaky", "linear", "logistic", "mish", "relu", "relu6", "swish"})

_MAX_LAYERS = 2000
_MAX_SIDE_PX = 8192
_MAX_FILTERS = 1 << 16
_MAX_ELEMENTS = 1 << 28  # of one layer's output: 1 GiB of float32

_MAX_NUMBERS = 500_000_000  # as float32 within the 2 GiB of an ONNX file

_REFUSED: Mapping[str, Mapping[str, str]] = {
    # The only value of each option that changes nothing; "" where there is none.
    "convolutional": {
        "antialiasing": "0",
        "binary": "0",
        "coordconv": "0",
        "dilation": "1",
        "flipped": "0",
        "reverse": "0",
        "rotate": "0",
        "share_index": "",
        "stretch": "0",
        "stretch_sway": "0",
        "stride_x": "",
        "stride_y": "",
        "sway": "0",
        "xnor": "0",
    },
    "maxpool": {"antialiasing": "0", "maxpool_depth": "0", "stride_x": "", "stride_y": ""},
    "shortcut": {"alpha": "1", "beta": "1", "weights_type": "none"},
    "upsample": {"scale": "1"},
    "yolo": {"new_coords": "0"},
}


class Shape(NamedTuple):
    """The size of one image's activations."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Layer:
    """What all layers have: where it comes from and what it gives."""

    where: str
    sources: tuple[int, ...]
    """The layers it reads, by their place among the layers; -1 is the network's input."""
    shape: Shape


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution with bias, or with batch normalisation, and an activation."""

    in_channels: int
    size: int
    stride: int
    padding: int
    groups: int
    batch_normalize: bool
    activation: str

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Filters, channels each of them reads, height and width."""
        return self.shape.channels, self.in_channels // self.groups, self.size, self.size

    @property
    def number_count(self) -> int:
        """How many numbers a `.weights` file has for it: kernel, bias, and three more of each filter to normalise."""
        return math.prod(self.kernel_shape) + self.shape.channels * (4 if self.batch_normalize else 1)


@dataclass(frozen=True)
class MaxPool(Layer):
    """The greatest value of each window; cells beyond the border do not count."""

    size: int
    stride: int
    padding: int
    """Cells added in each direction, both sides together; an odd one is added below and on the right."""


@dataclass(frozen=True)
class Route(Layer):
    """The `group`-th of `groups` equal parts of the channels of each source, one after the other."""

    groups: int
    group: int


@dataclass(frozen=True)
class Shortcut(Layer):
    """The sum of two layers, and an activation."""

    activation: str


@dataclass(frozen=True)
class Upsample(Layer):
    """Each cell repeated `stride` times in both directions."""

    stride: int


@dataclass(frozen=True)
class Dropout(Layer):
    """Nothing, in inference."""


@dataclass(frozen=True)
class Yolo(Layer):
    """Boxes and scores out of a grid of cells."""

    classes: int
    anchors: tuple[tuple[float, float], ...]
    """Width and height, in pixels of the network's input, of the boxes each cell may change."""
    scale_xy: float
    """How far a box's centre can leave its cell: 1 is not at all."""


@dataclass(frozen=True)
class Network:
    """Layers in the order in which they run."""

    input: Shape
    layers: tuple[Layer, ...]

    @property
    def heads(self) -> list[Yolo]:
        """The `[yolo]` layers, all of the same classes."""
        return [layer for layer in self.layers if isinstance(layer, Yolo)]

    @property
    def convolutions(self) -> list[Convolution]:
        """The layers with weights, in the order in which a `.weights` file has them."""
        return [layer for layer in self.layers if isinstance(layer, Convolution)]


def build_network(sections: Sequence[Section]) -> Network:
    """Work out every layer.

    Raises:
        DarknetConfigError: a section or value is not known, out of bounds, or does not fit what it is applied to.
    """
    if not sections or sections[0].kind not in {"net", "network"}:
        found = f", {sections[0].where} has [{sections[0].kind}]" if sections else ", this one has none"
        raise DarknetConfigError(f"a cfg must begin with a [net] section{found}")
    if len(sections) > _MAX_LAYERS:
        raise DarknetConfigError(f"the cfg has {len(sections)} sections, more than {_MAX_LAYERS}")
    net = sections[0]
    size = {key: net.integer(key, low=8, high=_MAX_SIDE_PX) for key in ("width", "height")}
    layers = _Layers(Shape(net.integer("channels", low=3, high=3), **size))
    for section in sections[1:]:
        layers.add(section)
    network = Network(layers.input, tuple(layers.done))
    _check_heads(network, net)
    if (count := sum(layer.number_count for layer in network.convolutions)) > _MAX_NUMBERS:
        raise DarknetConfigError(f"{net.where}: the network has {count} weights, more than {_MAX_NUMBERS}")
    return network


def _check_heads(network: Network, net: Section) -> None:
    if not network.heads:
        raise DarknetConfigError(f"{net.where}: the network has no [yolo] section, so it detects nothing")
    first = network.heads[0]
    for head in network.heads[1:]:
        if head.classes != first.classes:
            raise DarknetConfigError(
                f"{head.where}: [yolo] has {head.classes} classes, that at {first.where} has {first.classes}"
            )


class _Layers:
    """The layers so far, for the next section to refer to."""

    def __init__(self, input_shape: Shape) -> None:
        self.input = input_shape
        self.done: list[Layer] = []

    def add(self, section: Section) -> None:
        builder = _BUILDERS.get(section.kind)
        if builder is None:
            known = ", ".join(sorted(_BUILDERS))
            raise DarknetConfigError(f"{section.where}: unknown section [{section.kind}]; known are {known}")
        for key, neutral in _REFUSED.get(section.kind, {}).items():
            option = section.options.get(key)
            if option and option.text != neutral:
                raise DarknetConfigError(
                    f"{option.where}: {key}={option.text[:40]} of [{section.kind}] is not supported"
                )
        layer = builder(section, self)
        if min(layer.shape) < 1 or math.prod(layer.shape) > _MAX_ELEMENTS:
            raise DarknetConfigError(f"{layer.where}: [{section.kind}] would give {_text(layer.shape)}")
        self.done.append(layer)

    def previous(self, section: Section) -> tuple[tuple[int], Shape]:
        """The layer that a section follows, and its shape."""
        index = len(self.done) - 1
        return (index,), self.shape(index, section)

    def shape(self, index: int, section: Section) -> Shape:
        if index < 0:
            return self.input
        if isinstance(self.done[index], Yolo):
            raise DarknetConfigError(f"{section.where}: [{section.kind}] reads layer {index}, which is a [yolo]")
        return self.done[index].shape

    def resolve(self, section: Section, key: str) -> tuple[int, ...]:
        """Indices as a cfg has them: from the first layer, or, when negative, back from the section's own place."""
        own = len(self.done)
        if own == 0:
            raise DarknetConfigError(f"{section.where}: [{section.kind}] has no layer before it")
        indices = section.integers(key, low=-own, high=own - 1)
        return tuple(index + own if index < 0 else index for index in indices)


def _convolutional(section: Section, layers: _Layers) -> Layer:
    sources, shape = layers.previous(section)
    size = section.integer("size", 1, low=1, high=63)
    stride = section.integer("stride", 1, low=1, high=64)
    padding = section.integer("padding", 0, high=64)
    if section.integer("pad", 0, high=64):
        padding = size // 2
    filters = section.integer("filters", 1, low=1, high=_MAX_FILTERS)
    groups = section.integer("groups", 1, low=1, high=_MAX_FILTERS)
    if shape.channels % groups or filters % groups:
        raise DarknetConfigError(
            f"{section.where}: {groups} groups divide neither evenly {shape.channels} channels into {filters} filters"
        )
    return Convolution(
        section.where,
        sources,
        Shape(filters, *(_windows(side, size, stride, 2 * padding) for side in shape[1:])),
        in_channels=shape.channels,
        size=size,
        stride=stride,
        padding=padding,
        groups=groups,
        batch_normalize=section.integer("batch_normalize", 0, high=1) == 1,
        activation=_activation(section, "logistic"),
    )


def _maxpool(section: Section, layers: _Layers) -> Layer:
    sources, shape = layers.previous(section)
    stride = section.integer("stride", 1, low=1, high=64)
    size = section.integer("size", stride, low=1, high=63)
    padding = section.integer("padding", size - 1, high=2 * size - 2)  # each window holds a real cell
    sides = (_windows(side, size, stride, padding) for side in shape[1:])
    return MaxPool(section.where, sources, Shape(shape.channels, *sides), size=size, stride=stride, padding=padding)


def _route(section: Section, layers: _Layers) -> Layer:
    sources = layers.resolve(section, "layers")
    shapes = [layers.shape(index, section) for index in sources]
    groups = section.integer("groups", 1, low=1, high=_MAX_FILTERS)
    if any(shape[1:] != shapes[0][1:] or shape.channels % groups for shape in shapes):
        raise DarknetConfigError(
            f"{section.where}: [route] cannot join {groups} groups of {' and '.join(map(_text, shapes))}"
        )
    channels = sum(shape.channels // groups for shape in shapes)
    group = section.integer("group_id", 0, high=groups - 1)
    return Route(section.where, sources, Shape(channels, *shapes[0][1:]), groups=groups, group=group)


def _shortcut(section: Section, layers: _Layers) -> Layer:
    (previous,), shape = layers.previous(section)
    others = layers.resolve(section, "from")
    for other in others:
        if layers.shape(other, section) != shape:
            raise DarknetConfigError(
                f"{section.where}: [shortcut] cannot add {_text(layers.shape(other, section))} to {_text(shape)}"
            )
    return Shortcut(section.where, (previous, *others), shape, activation=_activation(section, "linear"))


def _upsample(section: Section, layers: _Layers) -> Layer:
    sources, shape = layers.previous(section)
    stride = section.integer("stride", 2, low=1, high=64)
    return Upsample(
        section.where, sources, Shape(shape.channels, shape.height * stride, shape.width * stride), stride=stride
    )


def _dropout(section: Section, layers: _Layers) -> Layer:
    return Dropout(section.where, *layers.previous(section))


def _yolo(section: Section, layers: _Layers) -> Layer:
    sources, shape = layers.previous(section)
    classes = section.integer("classes", 20, low=1, high=_MAX_FILTERS)
    total = section.integer("num", 1, low=1, high=1000)
    flat = section.numbers("anchors", low=1e-3, high=_MAX_SIDE_PX)
    if len(flat) != 2 * total:
        raise DarknetConfigError(
            f"{section.where}: [yolo] has {len(flat)} numbers in anchors, expected 2 x num={total}"
        )
    anchors = list(zip(flat[::2], flat[1::2], strict=True))
    mask = section.integers("mask", low=0, high=total - 1) if "mask" in section.options else range(total)
    if shape.channels != len(mask) * (5 + classes):
        raise DarknetConfigError(
            f"{section.where}: [yolo] reads {shape.channels} channels, expected {len(mask)} anchors x (5 + {classes})"
        )
    return Yolo(
        section.where,
        sources,
        shape,
        classes=classes,
        anchors=tuple(anchors[index] for index in mask),
        scale_xy=section.number("scale_x_y", 1.0, low=0.1, high=10),
    )


_BUILDERS: Mapping[str, Callable[[Section, _Layers], Layer]] = {
    "convolutional": _convolutional,
    "dropout": _dropout,
    "maxpool": _maxpool,
    "route": _route,
    "shortcut": _shortcut,
    "upsample": _upsample,
    "yolo": _yolo,
}


def _activation(section: Section, default: str) -> str:
    option = section.option("activation", default)
    if option.text not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        raise DarknetConfigError(f"{option.where}: unknown activation={option.text[:40]}; known are {known}")
    return option.text


def _windows(side: int, size: int, stride: int, padding: int) -> int:
    return (side + padding - size) // stride + 1


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
