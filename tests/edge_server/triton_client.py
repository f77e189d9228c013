"""Talks to a server as users of tritonclient do; runs in an environment of its own, which has the client.

    python triton_client.py HOST:PORT MODEL KEY

The model takes FP32 `a` and `b` [n, 3] and BYTES `name`, and makes `sum` and `text`. Prints what it saw, as JSON.
"""

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


class _Bearer(triton.InferenceServerClientPlugin):  # type: ignore[misc] # it has no annotations
    """Sends a key with each request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> None:
        request.headers["authorization"] = f"Bearer {self._key}"


def _input(name: str, array: Any, datatype: str, *, binary: bool) -> triton.InferInput:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def _infer(client: triton.InferenceServerClient, model: str, *, binary: bool, ask: bool) -> dict[str, Any]:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    inputs = [
        _input("a", a, "FP32", binary=binary),
        _input("b", a * 10, "FP32", binary=binary),
        _input("name", np.array(["浙A".encode(), b""], np.object_), "BYTES", binary=binary),
    ]
    names = ("sum", "text")
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in names] if ask else None
    result = client.infer(model, inputs, outputs=outputs, request_id="7")
    text = [item.decode() if isinstance(item, bytes) else item for item in result.as_numpy("text")]
    return {"sum": result.as_numpy("sum").tolist(), "text": text, "id": result.get_response()["id"]}


def main(address: str, model: str, key: str) -> None:
    """See the module."""
    client = triton.InferenceServerClient(address)
    client.register_plugin(_Bearer(key))
    try:
        client.infer(model, [_input("a", np.zeros(1, np.float32), "FP32", binary=True)])
        error = ""
    except InferenceServerException as caught:
        error = f"{caught.status()}: {caught.message()}"
    seen = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model, client.get_model_metadata(model)["versions"][0]),
        "other_ready": client.is_model_ready("other"),
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata(model),
        "json": _infer(client, model, binary=False, ask=True),
        "binary": _infer(client, model, binary=True, ask=True),
        "unasked": _infer(client, model, binary=True, ask=False),
        "error": error,
        "index": client.get_model_repository_index(),
    }
    client.load_model(model)
    seen["loaded"] = client.get_model_metadata(model)["versions"]
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
