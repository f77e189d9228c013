"""One id goes with a frame from its capture to the server that is to answer it, whatever carries it."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from astraea.device import Frame, OffloadClient
from tests.edge_server.conftest import started

from .conftest import wait_until

HANDLER = """\
def predict(model, body: bytes) -> dict:
    raise ValueError("a bug")
"""


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_the_id_of_a_frame_is_in_its_result_and_in_what_the_server_logs_of_it(
    transport: Literal["http", "websocket"], tmp_path: Path
) -> None:
    (tmp_path / "astraea.yaml").write_text("name: buggy\nversion: 1.0.0\nhandler: handler.py\n")
    (tmp_path / "handler.py").write_text(HANDLER)
    frame = Frame(image=np.zeros((48, 64, 3), np.uint8), seq=0, captured_at=0.0)
    arguments = (tmp_path, "--port", 0, "--log-format", "json")
    with started(tmp_path / "server.log", *arguments) as server:
        wait_until(lambda: " answers at " in server.log)
        with (
            server.client() as http,
            OffloadClient("buggy", edges=[str(http.base_url)], transport=transport) as client,
        ):
            result = client.infer(frame)
        assert result.trace_id == frame.trace_id
        assert "answered 500" in (result.failure or "")
        wait_until(lambda: frame.trace_id in server.log)
        logged = next(json.loads(line) for line in server.log.splitlines() if frame.trace_id in line)
    assert logged["trace_id"] == frame.trace_id
    assert "a bug" in logged["traceback"]
