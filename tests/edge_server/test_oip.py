"""The Open Inference Protocol in this process: metadata, inference, and errors of its own form."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper

from astraea.edge_server import Service
from astraea.edge_server.api import Api
from tests.edge_server.conftest import SIZE_HANDLER, MakeService, WriteService, open_folder

INFER = "/v2/models/sizes/infer"
OpenModel = Callable[[bytes], Service]


def two_by_three() -> bytes:
    """An ONNX model: `sum` is `a` + `b`, FP32 [n, 3]; `text` is `name`, BYTES [n]."""
    numbers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("a", "b", "sum")]
    texts = [helper.make_tensor_value_info(name, TensorProto.STRING, ["m"]) for name in ("name", "text")]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Identity", ["name"], ["text"])]
    graph = helper.make_graph(nodes, "sum", [*numbers[:2], texts[0]], [numbers[2], texts[1]])
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.fixture
def model(write_service: WriteService) -> Service:
    folder = write_service(None, model="model.onnx")
    (folder / "model.onnx").write_bytes(two_by_three())
    service = open_folder(folder)
    service.warm_up()
    return service


def tensor(name: str, data: Any, **keys: Any) -> dict[str, Any]:
    array = np.array(data)
    datatype = "BYTES" if array.dtype.kind == "U" else "FP32"
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data} | keys


INPUTS = [tensor("a", [[1, 2, 3]]), tensor("b", [[10, 20, 30.5]]), tensor("name", ["浙A"])]


def error(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    document = response.json()
    assert document.keys() == {"error"}
    return str(document["error"])


async def test_the_model_is_described(api: Api, client: httpx.AsyncClient, model: Service) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert "loaded" in error(await client.get("/v2/health/ready"), 503)
    assert "loaded" in error(await client.get("/v2/models/sizes"), 503)
    api.service = model
    assert (await client.get("/v2/health/ready")).status_code == 200
    assert (await client.get("/v2")).json()["extensions"] == ["binary_tensor_data"]
    described = (await client.get("/v2/models/sizes")).json()
    assert described == (await client.get("/v2/models/sizes/versions/1.2.3-a")).json()
    assert described["versions"] == ["1.2.3-a"]
    assert described["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 3]}
    assert described["outputs"][1] == {"name": "text", "datatype": "BYTES", "shape": [-1]}
    assert (await client.get("/v2/models/sizes/ready")).json() == {"name": "sizes", "ready": True}


async def test_what_is_not_there_is_an_error_of_the_protocol(
    api: Api, client: httpx.AsyncClient, model: Service
) -> None:
    api.service = model
    assert "'dogs'" in error(await client.get("/v2/models/dogs"), 404)
    assert "'9'" in error(await client.get("/v2/models/sizes/versions/9/ready"), 404)
    assert "'9'" in error(await client.post("/v2/models/sizes/versions/9/infer", json={}), 404)
    error(await client.get("/v2/repository/index"), 404)
    error(await client.get(INFER), 405)


async def test_tensors_in_json_go_in_and_out(api: Api, client: httpx.AsyncClient, model: Service) -> None:
    api.service = model
    response = await client.post(INFER, json={"id": "42", "inputs": INPUTS})
    assert response.json() == {
        "model_name": "sizes",
        "model_version": "1.2.3-a",
        "id": "42",
        "outputs": [
            {"name": "sum", "shape": [1, 3], "datatype": "FP32", "data": [11, 22, 33.5]},
            {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["浙A"]},
        ],
    }
    assert "server-timing" in response.headers


async def test_tensors_as_bytes_go_in_and_out(api: Api, client: httpx.AsyncClient, model: Service) -> None:
    api.service = model
    a = np.array([[1, 2, 3], [4, 5, 6]], np.float32).tobytes()
    text = struct.pack("<I", 3) + "浙".encode()
    request = {
        "inputs": [
            {"name": "a", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": len(a)}},
            tensor("b", [[1, 1, 1]] * 2),
            {"name": "name", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(text)}},
        ],
        "outputs": [{"name": "text", "parameters": {"binary_data": True}}, {"name": "sum"}],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(request).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = await client.post(INFER, content=head + a + text, headers=headers)
    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    reply = json.loads(response.content[:length])
    assert [output["parameters"]["binary_data_size"] for output in reply["outputs"]] == [7, 24]
    assert response.content[length : length + 7] == text
    assert np.frombuffer(response.content[length + 7 :], "<f4").tolist() == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inputs": INPUTS[:1]}, "the inputs must be 'a', 'b', 'name', and are 'a'"),
        ({"inputs": []}, "inputs: List should have at least 1 item"),
        ({"inputs": [*INPUTS, INPUTS[0]]}, "two inputs 'a'"),
        ({"inputs": [tensor("a", [1])] * 65}, "at most 64 items"),
        ({"inputs": [INPUTS[0] | {"datatype": "INT8"}, *INPUTS[1:]]}, "input 'a' is INT8; the model takes FP32"),
        ({"inputs": [tensor("a", [1, 2, 3]), *INPUTS[1:]]}, "'a' has the shape [3]; the model takes [-1, 3]"),
        ({"inputs": [INPUTS[0] | {"shape": [2, 3]}, *INPUTS[1:]]}, "input 'a': its data is of the shape [1, 3]"),
        ({"inputs": [INPUTS[0] | {"shape": [-1, 3]}, *INPUTS[1:]]}, "inputs.0.shape.0: Input should be greater"),
        ({"inputs": [INPUTS[0] | {"shape": [2**40]}, *INPUTS[1:]]}, "inputs.0.shape.0: Input should be less"),
        ({"inputs": [INPUTS[0] | {"data": None}, *INPUTS[1:]]}, "'a': it must have either `data` or"),
        ({"inputs": [INPUTS[0] | {"parameters": {"binary_data_size": 9}}]}, "either `data` or"),
        ({"inputs": [tensor("a", [[1, 2, 3]] * 2), *INPUTS[1:2], INPUTS[2]], "outputs": [{"name": "z"}]}, "output 'z'"),
        ({"inputs": [tensor("a", [[1, 2, 3]] * 2), tensor("b", [[1, 2, 3]] * 3), INPUTS[2]]}, "can't compute"),
        ({"outputs": [{"name": "sum", "parameters": {"classification": 3}}]}, "classification, which is not supported"),
        ({"id": 42}, "id: Input should be a valid string"),
    ],
)
async def test_a_request_that_does_not_fit_is_told_why(
    api: Api, client: httpx.AsyncClient, model: Service, change: dict[str, Any], reason: str
) -> None:
    api.service = model
    assert reason in error(await client.post(INFER, json={"inputs": INPUTS} | change), 400)


async def test_bytes_that_do_not_add_up_are_told(api: Api, client: httpx.AsyncClient, model: Service) -> None:
    api.service = model
    binary = {"name": "a", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    head = json.dumps({"inputs": [binary, *INPUTS[1:]]}).encode()
    for tail, length, reason in (
        (bytes(11), len(head), "input 'a': its data breaks off: it says 12 bytes, and 11"),
        (bytes(13), len(head), "1 bytes that belong to no input"),
        (b"", len(head) + 1, f"is {len(head) + 1}, and the body has"),
        (b"", "x", "not a number of bytes"),
        (b"", "9" * 30, "not a number of bytes"),
    ):
        headers = {"inference-header-content-length": str(length)}
        assert reason in error(await client.post(INFER, content=head + tail, headers=headers), 400)
    assert "not JSON" in error(await client.post(INFER, content=b"[" * 9000), 400)
    assert "compressed" in error(await client.post(INFER, content=b"", headers={"content-encoding": "gzip"}), 415)
    error(await client.post(INFER, content=bytes(10_001)), 413)


async def test_an_image_is_pixels_or_a_file(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    assert (await client.get("/v2/models/sizes")).json()["inputs"] == [
        {"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}
    ]
    pixels = {"name": "image", "shape": [1, 2, 3], "datatype": "UINT8", "data": [7] * 6}
    response = await client.post(INFER, json={"inputs": [pixels]})
    (output,) = response.json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("output", "BYTES", [1])
    assert json.loads(output["data"][0]) == {"height": 1, "width": 2, "mean": [7, 7, 7]}
    size = {"binary_data_size": 4 + len(jpeg)}
    head = json.dumps({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "parameters": size}]}).encode()
    response = await client.post(
        INFER,
        content=head + struct.pack("<I", len(jpeg)) + jpeg,
        headers={"inference-header-content-length": str(len(head))},
    )
    assert json.loads(response.json()["outputs"][0]["data"][0])["width"] == 64
    for change, reason in (
        ({"shape": [0, 2, 3], "data": []}, "no pixels"),
        ({"shape": [2, 3]}, "the model takes [-1, -1, 3]"),
        ({"datatype": "BYTES", "shape": [1], "data": ["x"]}, "neither a JPEG"),
    ):
        assert reason in error(
            await client.post(INFER, json={"inputs": [pixels | change]}), 415 if "JPEG" in reason else 400
        )


async def test_a_handler_of_tensors_takes_and_makes_them(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service(
        "from astraea.edge_server import Tensor\ndef predict(model, x: Tensor) -> Tensor: return x.mean(axis=0)"
    )
    x = {"name": "input", "shape": [2, 2], "datatype": "FP16", "data": [[1, 2], [3, 4]]}
    (output,) = (await client.post(INFER, json={"inputs": [x]})).json()["outputs"]
    assert output == {"name": "output", "shape": [2], "datatype": "FP16", "data": [2, 3]}
    assert (await client.post("/predict", json=[[1, 2], [3, 4]])).json() == {"output": [2.0, 3.0]}
    x |= {"datatype": "BYTES", "data": [["a", "b"], ["c", "d"]]}
    assert "is BYTES" in error(await client.post(INFER, json={"inputs": [x]}), 400)


async def test_bytes_that_json_cannot_say_must_be_asked_for_as_such(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service("""
        import numpy as np
        from astraea.edge_server import Tensor
        def predict(model, text: str) -> Tensor: return np.array([b"\\xff\\0"], object)
    """)
    request: dict[str, Any] = {"inputs": [tensor("input", ["x"])]}
    assert "ask for it with `binary_data`" in error(await client.post(INFER, json=request), 400)
    response = await client.post(INFER, json=request | {"parameters": {"binary_data_output": True}})
    assert response.content.endswith(b"\2\0\0\0\xff\0")


async def test_any_other_handler_takes_the_body_as_bytes(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service("def predict(model, text: str): return text.upper()")
    (output,) = (await client.post(INFER, json={"inputs": [tensor("input", ["grün"])]})).json()["outputs"]
    assert json.loads(output["data"][0]) == {"output": "GRÜN"}


async def test_a_failure_tells_the_log_only(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, caplog: pytest.LogCaptureFixture
) -> None:
    api.service = make_service("def predict(model, text: str): raise OSError('the secret path')")
    told = error(await client.post(INFER, json={"inputs": [tensor("input", ["x"])]}), 500)
    assert "secret" not in told
    assert told.split()[-1] in caplog.text


async def test_predict_takes_and_makes_tensors_too(api: Api, client: httpx.AsyncClient, model: Service) -> None:
    api.service = model
    response = await client.post("/predict", json={"a": [[1, 2, 3]], "b": [[1, 1, 1]], "name": ["x"]})
    assert response.json() == {"sum": [[2, 3, 4]], "text": ["x"]}
    response = await client.post("/predict", json={"a": [["1", 2, 3]], "b": [[1, 1, 1]], "name": ["x"]})
    assert (response.status_code, response.json()["detail"]) == (
        400,
        "input 'a': its data has elements that are not FP32",
    )


def test_a_model_of_known_shape_is_warmed_up(write_service: WriteService) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "abs", values[:1], values[1:])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    folder: Path = write_service(None, model="model.onnx")
    (folder / "model.onnx").write_bytes(content)
    open_folder(folder).warm_up()
