"""Writing a Darknet network as an ONNX model."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from .network import Convolution, Dropout, Layer, MaxPool, Network, Route, Shortcut, Upsample, Yolo
from .weights import Kernel

INPUT, BOXES, SCORES = "images", "boxes", "scores"

_OPSET = 13
_IR_VERSION = 8  # what onnxruntime 1.20, the oldest we allow, reads with ease
_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


def write_graph(network: Network, kernels: Iterator[Kernel]) -> onnx.ModelProto:
    """An ONNX model from `images` to `boxes` and `scores`.

    `images` is float32 [batch, 3, height, width], RGB, 0 to 1. `boxes` is [batch, N, 4]: x1, y1, x2, y2 in pixels of
    the input. `scores` is [batch, N, classes]: objectness times the probability of the class, 0 to 1. The N boxes are
    those of the heads one after the other, of each by row, column and anchor.

    Args:
        network: What to compute.
        kernels: As many as the network has convolutions, in their order.
    """
    writer = _Writer(network)
    for layer in network.layers:
        writer.write(layer, kernels)
    return writer.finish()


class _Writer:
    """The graph so far."""

    def __init__(self, network: Network) -> None:
        self._network = network
        opset = helper.make_opsetid("", _OPSET)
        self._model = onnx.ModelProto(ir_version=_IR_VERSION, producer_name="astraea", opset_import=[opset])
        self._graph = self._model.graph
        self._graph.name = "darknet"
        self._outputs: list[str] = []  # of each layer
        self._boxes: list[str] = []  # of each head
        self._scores: list[str] = []

    def write(self, layer: Layer, kernels: Iterator[Kernel]) -> None:
        sources = [INPUT if index < 0 else self._outputs[index] for index in layer.sources]
        match layer:
            case Convolution():
                output = self._convolution(layer, sources[0], next(kernels))
            case MaxPool():
                output = self._maxpool(layer, sources[0])
            case Route():
                output = self._route(layer, sources)
            case Shortcut():
                output = _ACTIVATIONS[layer.activation](self, self.node("Sum", *sources))
            case Upsample():
                output = self._upsample(layer, sources[0])
            case Dropout():
                output = sources[0]
            case Yolo():
                self._yolo(layer, sources[0])
                output = ""  # which no layer reads
            case _:
                raise AssertionError(layer)
        self._outputs.append(output)

    def finish(self) -> onnx.ModelProto:
        """Join the heads and declare what goes in and out."""
        self.node("Concat", *self._boxes, output=BOXES, axis=1)
        self.node("Concat", *self._scores, output=SCORES, axis=1)
        heads = self._network.heads
        count = sum(head.shape.height * head.shape.width * len(head.anchors) for head in heads)
        self._graph.input.append(_value(INPUT, *self._network.input))
        self._graph.output.extend([_value(BOXES, count, 4), _value(SCORES, count, heads[0].classes)])
        return self._model

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator with one output, and return the output's name."""
        name = output or f"{operator.lower()}_{len(self._graph.node)}"
        self._graph.node.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Add a tensor, and return its name."""
        # Filled in place: a tensor made apart is copied when it is added, and weights would be in memory twice.
        name = f"constant_{len(self._graph.initializer)}"
        data_type = _TYPES[values.dtype]
        self._graph.initializer.add(name=name, data_type=data_type, dims=values.shape, raw_data=values.tobytes())
        return name

    def scalar(self, value: float) -> str:
        """Add a number, and return its name."""
        return self.constant(np.array(value, np.float32))

    def _integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def _convolution(self, layer: Convolution, source: str, kernel: Kernel) -> str:
        output = self.node(
            "Conv",
            source,
            self.constant(kernel.weight),
            self.constant(kernel.bias),
            group=layer.groups,
            pads=[layer.padding] * 4,
            strides=[layer.stride] * 2,
        )
        return _ACTIVATIONS[layer.activation](self, output)

    def _maxpool(self, layer: MaxPool, source: str) -> str:
        before = layer.padding // 2
        after = layer.padding - before
        pads = [before, before, after, after]
        return self.node("MaxPool", source, kernel_shape=[layer.size] * 2, pads=pads, strides=[layer.stride] * 2)

    def _route(self, layer: Route, sources: list[str]) -> str:
        if layer.groups > 1:
            sources = [
                self._slice(source, self._channels(index) // layer.groups, layer.group)
                for index, source in zip(layer.sources, sources, strict=True)
            ]
        return sources[0] if len(sources) == 1 else self.node("Concat", *sources, axis=1)

    def _channels(self, index: int) -> int:
        return self._network.layers[index].shape.channels

    def _slice(self, source: str, channels: int, part: int) -> str:
        start, end = self._integers(part * channels), self._integers((part + 1) * channels)
        return self.node("Slice", source, start, end, self._integers(1))

    def _upsample(self, layer: Upsample, source: str) -> str:
        scales = self.constant(np.array([1, 1, layer.stride, layer.stride], np.float32))
        # Cell i comes from floor(i / stride).
        return self.node(
            "Resize",
            source,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def _yolo(self, head: Yolo, source: str) -> None:
        """Decode a grid, as Redmon and Farhadi describe it (YOLOv3, section 2.1), with Bochkovskiy's scale_x_y."""
        anchors, cells = len(head.anchors), head.shape.height * head.shape.width
        grid = self.node("Reshape", source, self._integers(0, anchors, 5 + head.classes, cells))
        parts = [f"{name}_{len(self._boxes)}" for name in ("xy", "wh", "objectness", "classes")]
        sizes = self._integers(2, 2, 1, head.classes)
        self._graph.node.append(helper.make_node("Split", [grid, sizes], parts, axis=2))
        xy, wh, objectness, classes = parts

        span, offset = _centres(head, self._network)
        centre = self.node(
            "Add", self.node("Mul", self.node("Sigmoid", xy), self.constant(span)), self.constant(offset)
        )
        half_anchors = self.constant(np.array(head.anchors, np.float32).reshape(1, anchors, 2, 1) / np.float32(2))
        half = self.node("Mul", self.node("Exp", wh), half_anchors)
        boxes = self.node("Concat", self.node("Sub", centre, half), self.node("Add", centre, half), axis=2)
        scores = self.node("Mul", self.node("Sigmoid", objectness), self.node("Sigmoid", classes))
        self._boxes.append(self._rows(boxes, 4))
        self._scores.append(self._rows(scores, head.classes))

    def _rows(self, x: str, width: int) -> str:
        """[batch, anchors, width, cells] as [batch, cells * anchors, width]."""
        transposed = self.node("Transpose", x, perm=[0, 3, 1, 2])
        return self.node("Reshape", transposed, self._integers(0, -1, width))


_ACTIVATIONS: Mapping[str, Callable[[_Writer, str], str]] = {
    "leaky": lambda graph, x: graph.node("LeakyRelu", x, alpha=0.1),
    "linear": lambda _, x: x,
    "logistic": lambda graph, x: graph.node("Sigmoid", x),
    "mish": lambda graph, x: graph.node("Mul", x, graph.node("Tanh", graph.node("Softplus", x))),
    "relu": lambda graph, x: graph.node("Relu", x),
    "relu6": lambda graph, x: graph.node("Clip", x, graph.scalar(0), graph.scalar(6)),
    "swish": lambda graph, x: graph.node("Mul", x, graph.node("Sigmoid", x)),
}


def _centres(head: Yolo, network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What to multiply with and to add to sigmoid(xy) [batch, anchors, 2, cells], for centres in input pixels."""
    height, width = head.shape.height, head.shape.width
    cell_px = np.array([network.input.width / width, network.input.height / height]).reshape(1, 1, 2, 1)
    y, x = np.mgrid[:height, :width].reshape(2, 1, 1, -1)
    corner = np.concatenate([x, y], axis=1)[np.newaxis] + (1 - head.scale_xy) / 2
    return (head.scale_xy * cell_px).astype(np.float32), (corner.reshape(1, 1, 2, -1) * cell_px).astype(np.float32)


def _value(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
