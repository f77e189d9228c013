"""TensorFlow Lite models, run by LiteRT."""

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from astraea.models.cpus import available_cpus

from .model import Model, Tensors, TensorSpec, datatype_of


def open_model(path: Path) -> Model:
    """An `ai_edge_litert.interpreter.Interpreter`, which only one thread at a time may use."""
    interpreter = Interpreter(str(path), num_threads=available_cpus())
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    lock = threading.Lock()

    def run(arrays: Tensors) -> dict[str, NDArray[Any]]:
        with lock:
            for detail in interpreter.get_input_details():  # anew: with the shapes that the last call has left
                if tuple(detail["shape"]) != arrays[detail["name"]].shape:
                    interpreter.resize_tensor_input(detail["index"], arrays[detail["name"]].shape)
            interpreter.allocate_tensors()  # at no cost if nothing was resized
            for detail in inputs:
                interpreter.set_tensor(detail["index"], arrays[detail["name"]])
            interpreter.invoke()
            return {detail["name"]: interpreter.get_tensor(detail["index"]) for detail in outputs}

    return Model(
        platform="tensorflow_tflite",
        runtime=f"ai-edge-litert {version('ai-edge-litert')} on CPU",
        native=interpreter,
        inputs=tuple(_spec(detail) for detail in inputs),
        outputs=tuple(_spec(detail) for detail in outputs),
        run=run,
    )


def _spec(detail: dict[str, Any]) -> TensorSpec:
    shape = tuple(int(length) for length in detail["shape_signature"])
    return TensorSpec(detail["name"], datatype_of(detail["dtype"]), shape)
