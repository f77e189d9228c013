"""The plate reader as a service of three lines."""

import json
import shutil
from pathlib import Path

import numpy as np

from astraea.edge_server import open_service
from astraea.protocol import load_service_spec
from tests.edge_server.conftest import LIMITS, encode


def test_the_plate_reader_needs_no_handler(plates_model: Path, tmp_path: Path) -> None:
    shutil.copytree(plates_model, tmp_path / "plates")
    (tmp_path / "astraea.yaml").write_text("name: plates\nversion: 1.0.0\nmodel: plates\n")
    service = open_service(tmp_path, load_service_spec(tmp_path), LIMITS)
    assert json.loads(service.answer(encode(np.full((48, 64, 3), 128, np.uint8))).body) == {"detections": []}
