"""What computing inputs together gains, and that it costs a lone client nothing: `python -m benchmarks.batching`.

The model is a perceptron of four layers whose weights, 67 MB, don't fit into a core's cache: one input takes as long as
reading them, and so do several. Two edge servers serve it in turns, one of which computes inputs one by one. With
`--without-handler` they serve the bare model, and get its tensors by the Open Inference Protocol.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .load import closed_loop, connect, edge_server_command, free_port, pinned, post, server, split_cores

_WIDTH, _LAYERS = 2048, 4
_HANDLER = """
import numpy as np
import onnxruntime

def load(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options)

def predict_batch(model, inputs: list[bytes]) -> list[float]:
    stacked = np.stack([np.frombuffer(body, np.float32) for body in inputs])
    return [float(row[0]) for row in model.run(None, {"x": stacked})[0]]
"""
_MANY = 32


class _Request(NamedTuple):
    """What clients send."""

    path: str
    headers: dict[str, str]
    body: bytes


def request(*, handler: bool) -> _Request:
    data = np.random.default_rng(2).normal(0, 1, _WIDTH).astype(np.float32).tobytes()
    if handler:
        return _Request("/predict", {}, data)
    tensor = {
        "name": "x",
        "shape": [1, _WIDTH],
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return _Request("/v2/models/perceptron/infer", length, head + data)


_BOUND_GAIN, _BOUND_ALONE = 2.0, 1.03
_STARTS = 12
"""Of the servers that a lone client asks: where a process's weights come to lie in memory makes a difference of several
percent, which stays while it lives. Each of the two is the first to start, and to be asked, in half of them."""


def write_service(folder: Path, *, handler: bool) -> None:
    random = np.random.default_rng(1)
    weights = [
        numpy_helper.from_array(random.normal(0, 0.02, (_WIDTH, _WIDTH)).astype(np.float32), f"w{layer}")
        for layer in range(_LAYERS)
    ]
    names = ["x", *(f"h{layer}" for layer in range(1, _LAYERS)), "y"]
    nodes = [helper.make_node("MatMul", [names[at], f"w{at}"], [names[at + 1]]) for at in range(_LAYERS)]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", _WIDTH]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "perceptron", shapes[:1], shapes[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    template = "name: perceptron\nversion: 1.0.0\nmodel: model.onnx\n"
    if handler:
        (folder / "handler.py").write_text(_HANDLER)
        template += "handler: handler.py\n"
    (folder / "astraea.yaml").write_text(template)


def alternate(urls: Mapping[str, str], asked: _Request, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of a lone client's requests, to one server after the other: what disturbs one disturbs both."""
    connections = {name: connect(url) for name, url in urls.items()}
    found: dict[str, list[float]] = {name: [] for name in urls}
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        for name, connection in connections.items():
            found[name].append(post(connection, asked.body, asked.headers, asked.path).ms)
    for connection in connections.values():
        connection.close()
    return {name: times[len(times) // 10 :] for name, times in found.items()}  # the first ones warm up


def measure(rounds: int, seconds: float, *, handler: bool) -> dict[str, float]:
    server_cores, load_cores = split_cores()
    asked = request(handler=handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_service(folder, handler=handler)
        stack.enter_context(pinned(load_cores))
        alone_ms = []
        for number in range(_STARTS):
            with started(folder, server_cores, off_first=number % 2 == 1) as urls:
                found = alternate(urls, asked, 2 * rounds * seconds / _STARTS)
                alone_ms.append({name: statistics.median(times) for name, times in found.items()})
        many: dict[str, list[float]] = {"on": [], "off": []}
        urls = stack.enter_context(started(folder, server_cores))
        for number in range(-1, rounds):  # the first round warms up
            for name, url in urls.items():
                exchanges = closed_loop(
                    url, asked.body, concurrency=_MANY, seconds=seconds, headers=asked.headers, path=asked.path
                )
                assert {exchange.status for exchange in exchanges} == {200}  # noqa: S101 - else nothing is measured
                if number >= 0:
                    many[name].append(len(exchanges) / seconds)
    on, off = (statistics.median(many[name]) for name in ("on", "off"))
    on_ms, off_ms = (statistics.median(one[name] for one in alone_ms) for name in ("on", "off"))
    low, middle, high = statistics.quantiles((one["on"] / one["off"] for one in alone_ms), n=4)
    return {
        f"per_second_c{_MANY}_on": on,
        f"per_second_c{_MANY}_off": off,
        "gain": on / off,
        "p50_ms_c1_on": on_ms,
        "p50_ms_c1_off": off_ms,
        "alone_ratio": middle,
        "alone_ratio_p25": low,
        "alone_ratio_p75": high,
    }


@contextmanager
def started(folder: Path, cores: set[int], *, off_first: bool = False) -> Iterator[dict[str, str]]:
    """The addresses of a server that batches and of one that doesn't, in the order of their starts."""
    with ExitStack() as stack:
        urls = {}
        sides: list[tuple[str, tuple[str, ...]]] = [("on", ()), ("off", ("--batch", "1"))]
        for name, options in reversed(sides) if off_first else sides:
            port = free_port()
            stack.enter_context(server(edge_server_command(str(folder), port, *options), port, cores))
            urls[name] = f"http://127.0.0.1:{port}"
        yield urls


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a turn takes (default: %(default)s)")
    parser.add_argument("--without-handler", action="store_true", help="serve the bare model")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    figures = measure(given.rounds, given.seconds, handler=not given.without_handler)
    for name, value in figures.items():
        print(f"{name:24}{value:10.2f}")
    print(f"bounds: gain >= {_BOUND_GAIN}, alone_ratio <= {_BOUND_ALONE}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
