"""Requests to a model without a handler are computed together, if the model computes its rows one by one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from astraea.edge_server import open_model
from astraea.edge_server.tensor_batch import computes_together, run_together
from tests.edge_server.conftest import StartServer, WriteService, open_folder

ROWS, ONE_ROW = ["n", 4], [1, 4]


def network(
    path: Path, operator: str, shape: Sequence[Any] = ROWS, dtype: int = TensorProto.FLOAT, **keys: Any
) -> Path:
    """An ONNX model of a single operator, from `x` to `y`."""
    x, y = (helper.make_tensor_value_info(name, dtype, shape) for name in "xy")
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], **keys)], "one", [x], [y])
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("operator", "keys", "together"),
    [
        ("Neg", {}, True),
        ("Neg", {"dtype": TensorProto.FLOAT16}, True),
        ("Neg", {"dtype": TensorProto.INT32}, True),
        ("Softmax", {"axis": 1}, True),
        ("Softmax", {"axis": 0}, False),
        ("LpNormalization", {"axis": 0}, False),
        ("Neg", {"shape": ONE_ROW}, False),
        ("Neg", {"shape": ["n"]}, False),
        ("Neg", {"shape": ["n", "m"]}, False),
        ("Identity", {"dtype": TensorProto.STRING}, False),
    ],
)
def test_rows_that_influence_each_other_are_noticed(
    tmp_path: Path, operator: str, keys: dict[str, Any], together: bool
) -> None:
    model = open_model(network(tmp_path / "model.onnx", operator, **keys))
    assert computes_together(model) == together


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_each_gets_the_rows_that_are_its_own(counts: list[int], random: Any) -> None:
    requests = [{"a": np.array([[random.random()] * 3] * count).reshape(count, 3)} for count in counts]
    outputs = run_together(lambda tensors: {"b": tensors["a"] * 2}, requests)
    for request, output in zip(requests, outputs, strict=True):
        assert (output["b"] == request["a"] * 2).all()
        assert output["b"].shape == request["a"].shape


def test_what_cannot_be_told_apart_is_not_guessed() -> None:
    def rows(a: int, b: int) -> dict[str, Any]:
        return {"a": np.zeros((a, 1)), "b": np.zeros((b, 1))}

    with pytest.raises(ValueError, match=r"\[1, 2\] rows"):
        run_together(dict, [rows(1, 2), rows(2, 1)])
    with pytest.raises(ValueError, match="as many rows"):
        run_together(lambda tensors: {"c": tensors["a"][:1]}, [rows(1, 1), rows(1, 1)])


def test_an_estimator_computes_together_too(write_service: WriteService) -> None:
    folder = write_service(None, model="model.pkl")
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"]), folder / "model.pkl")
    service = open_folder(folder)
    assert service.batcher is not None
    assert service.answer(b'{"input": [[0.0], [1.0]]}').body == b'{"predict":["no","yes"]}'


def test_requests_that_come_together_are_one_batch(start_server: StartServer, write_service: WriteService) -> None:
    folder = write_service(None, model="model.onnx")
    network(folder / "model.onnx", "Neg")
    server = start_server(folder)
    with server.client() as client, ThreadPoolExecutor(16) as threads:

        def ask(number: int) -> Any:
            return client.post("/predict", json={"x": [[number] * 4] * (1 + number % 3)}).json()

        for _ in range(20):
            for number, reply in enumerate(threads.map(ask, range(64))):
                assert reply == {"y": [[-number] * 4] * (1 + number % 3)}
            metrics = client.get("/metrics").text
            if _figure(metrics, "count") < _figure(metrics, "sum"):
                return
    pytest.fail("no two requests were computed together")


def _figure(metrics: str, name: str) -> float:
    return float(metrics.partition(f"astraea_batch_size_{name} ")[2].split("\n")[0])
