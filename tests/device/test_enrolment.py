"""A device that enrols with a broker is let in, and one that does not is told why it is not."""

import asyncio
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from astraea.device import BrokerError, DeviceError, OffloadClient
from astraea.device.candidates import RemoteTarget
from astraea.device.candidates.broker import BrokerClient
from astraea.device.candidates.enrolment import enrol, stored_key
from astraea.device.profiling.cli import app
from astraea.device.transports import Credential
from tests.broker.conftest import StartBroker, start_broker  # noqa: F401 - a fixture

from .conftest import HttpReply, Peer
from .test_client import SlowDetector

INSTANCE = {"id": "a", "service": "s", "revision": "1", "node": "n", "url": "http://203.0.113.7:8000"}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "astraea" / "device-keys.json"


@pytest.fixture
def admin(start_broker: StartBroker, tmp_path: Path) -> httpx.Client:  # noqa: F811 - see above
    """A client of a broker that asks for keys, with the first admin's."""
    _, client = start_broker("--auth")
    [key] = tmp_path.rglob("admin.key")
    client.headers["authorization"] = f"Bearer {key.read_text().strip()}"
    return client


def test_an_enrolled_device_is_told_candidates_and_gets_a_token(admin: httpx.Client, config: Path) -> None:
    broker = str(admin.base_url)
    code = admin.post("/v1/enrolment-codes", json={"name": "cam"}).raise_for_status().json()["code"]
    admin.put("/v1/instances/a", json=INSTANCE).raise_for_status()
    command = [sys.executable, "-m", "astraea.deployer", "enrol", code, "--broker", broker]
    assert "is enrolled" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert config.stat().st_mode & 0o777 == 0o600
    credential = Credential()

    async def ask() -> list[RemoteTarget]:
        client = BrokerClient(broker, "s", credential=credential, key=stored_key(broker))
        offer = await client.candidates(None)
        await client.close()
        return offer.targets

    assert [target.url for target in asyncio.run(ask())] == ["http://203.0.113.7:8000/"]
    assert credential.token is not None
    with pytest.raises(BrokerError, match="the code is not good"):
        enrol(broker, code)


def test_a_device_that_is_not_enrolled_is_told_so(admin: httpx.Client) -> None:
    with OffloadClient("s", local=SlowDetector(0), broker=str(admin.base_url)) as client:
        assert "does not let this device in" in (client.snapshot().broker_failure or "")


def test_keys_of_several_brokers_are_kept(peer: Peer, config: Path) -> None:
    peer.reply = HttpReply(201, b'{"id": "d1", "key": "first"}')
    assert enrol(peer.url + "/", "CODE") == config
    peer.reply = HttpReply(201, b'{"id": "d2", "key": "second"}')
    enrol(peer.url.replace("127.0.0.1", "localhost"), "CODE")
    assert stored_key(peer.url) == "first"
    assert stored_key(peer.url.replace("127.0.0.1", "localhost")) == "second"
    assert stored_key("http://elsewhere") is None


def test_a_profile_is_measured_with_the_key_of_an_enrolled_device(peer: Peer, tmp_path: Path) -> None:
    peer.reply = HttpReply(201, b'{"id": "d1", "key": "first"}')
    enrol(peer.url, "CODE")
    cv2.imwrite(str(tmp_path / "street.png"), np.zeros((48, 64, 3), np.uint8))
    peer.reply = HttpReply(404)
    keys: list[str | None] = []
    peer.on_request = lambda headers: keys.append(headers["authorization"])
    outcome = CliRunner().invoke(app, ["profile", "s", "--images", str(tmp_path), "--broker", peer.url])
    assert "the broker knows no instance of s" in str(outcome.exception)
    assert keys == ["Bearer first"]


@pytest.mark.parametrize("reply", [HttpReply(201, b"{}"), HttpReply(200, b"<html>"), HttpReply(500, b"oops")])
def test_what_is_no_broker_is_an_error(peer: Peer, reply: HttpReply) -> None:
    peer.reply = reply
    with pytest.raises(BrokerError, match=r"the broker .* answers"):
        enrol(peer.url, "CODE")


def test_a_damaged_file_of_keys_is_an_error_that_says_what_to_do(config: Path) -> None:
    config.parent.mkdir()
    config.write_text("{")
    with pytest.raises(DeviceError, match="can't be read"):
        stored_key("http://broker")
