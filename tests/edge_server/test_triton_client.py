"""A client that nobody here wrote, tritonclient[http], works against the server as it is."""

import json
import subprocess
from pathlib import Path

from tests.conftest import need
from tests.edge_server.conftest import StartServer, WriteService
from tests.edge_server.test_oip import two_by_three

_SCRIPT = Path(__file__).with_name("triton_client.py")
_PYTHON = Path(__file__).resolve().parents[2] / ".venv-tritonclient/bin/python"
"""It has an environment of its own, as it wants an older ml_dtypes than onnx takes; `make tritonclient` makes it."""


def test_tritonclient_reads_metadata_and_infers(write_service: WriteService, start_server: StartServer) -> None:
    need("tritonclient", _PYTHON.exists(), "there is no environment with tritonclient: make tritonclient")
    folder = write_service(None, model="model.onnx")
    (folder / "model.onnx").write_bytes(two_by_three())
    key = "an-operators-key-of-32-characters"
    (folder.parent / "key").write_text(key)
    with start_server(folder, "--api-key-file", folder.parent / "key").client() as client:
        address = client.base_url.netloc.decode()
        command = [str(_PYTHON), str(_SCRIPT), address, "sizes", key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [seen[key] for key in ("live", "ready", "model_ready", "other_ready")] == [True, True, True, False]
    assert seen["server"]["extensions"] == ["binary_tensor_data", "model_repository"]
    assert [tensor["name"] for tensor in seen["model"]["inputs"]] == ["a", "b", "name"]
    answer = {"sum": [[0, 11, 22], [33, 44, 55]], "text": ["浙A", ""], "id": "7"}
    assert seen["json"] == seen["binary"] == seen["unasked"] == answer
    assert seen["error"] == "400: the inputs must be 'a', 'b', 'name', and are 'a'"
    assert seen["index"] == [{"name": "sizes", "version": "1.2.3", "state": "READY", "reason": ""}]
    assert seen["loaded"] == ["1.2.3-reload1"]
