"""A broker that asks for keys, an edge server that registers with one, and a device that enrols: all of them real."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np

StartBroker = Callable[..., tuple[subprocess.Popen[str], httpx.Client]]
SERVICE = Path(__file__).resolve().parents[2] / "demos" / "services" / "brightness"


def test_from_a_code_to_an_answer(start_broker: StartBroker, tmp_path: Path) -> None:
    _, broker = start_broker("--auth")
    admin = {"authorization": f"Bearer {(tmp_path / 'astraea' / 'admin.key').read_text().strip()}"}
    node_key = broker.post("/v1/keys", json={"name": "node", "role": "node"}, headers=admin).json()["key"]
    jwks = f"{str(broker.base_url).rstrip('/')}/.well-known/jwks.json"
    command = [sys.executable, "-m", "astraea.deployer", "serve", str(SERVICE), "--port", "0", "--jwks", jwks]
    environment = os.environ | {"ASTRAEA_BROKER": str(broker.base_url), "ASTRAEA_BROKER_KEY": node_key}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            code = broker.post("/v1/enrolment-codes", json={"name": "cam"}, headers=admin).json()["code"]
            device = {"authorization": f"Bearer {broker.post('/v1/enrol', json={'code': code}).json()['key']}"}
            deadline = time.monotonic() + 30
            while (told := broker.get("/v1/services/brightness/candidates", headers=device)).status_code != 200:
                assert time.monotonic() < deadline, told.text
                time.sleep(0.5)
            [candidate] = told.json()["candidates"]
            photo = cv2.imencode(".jpg", np.full((32, 32, 3), 128, np.uint8))[1].tobytes()
            url = f"{candidate['instance']['url'].rstrip('/')}/predict"
            headers = {"content-type": "image/jpeg"}
            assert httpx.post(url, content=photo, headers=headers).status_code == 401
            token = {"authorization": f"Bearer {told.json()['token']}"}
            assert httpx.post(url, content=photo, headers=headers | token).status_code == 200
        finally:
            server.terminate()
            assert server.stderr
            log = server.stderr.read().decode()
    assert node_key.partition(".")[2] not in log
