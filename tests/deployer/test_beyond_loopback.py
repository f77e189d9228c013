"""Services at an address that others reach: who is let in there. All parts are real, in a network of the test's own."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from astraea.deployer.controller.measuring import Meter
from astraea.deployer.engines.process import ProcessEngine
from astraea.deployer.health import new_client
from astraea.deployer.images import default_layout
from astraea.deployer.nodes import Node, NodeStore
from astraea.deployer.rollout.sampling import Sampler
from astraea.device import OffloadClient
from astraea.device.candidates.enrolment import enrol
from netlab import Namespace

from .conftest import GREET, Cli, WriteService, instances, token_of
from .test_operator_keys import ClosedBroker, closed  # noqa: F401 - a fixture

ADDRESS = "10.77.9.1"
OWN_KEY = "0123456789abcdef-key"
FINDS_NOTHING = """
from astraea.edge_server import Image
from astraea.protocol import Detection
def predict(model: None, image: Image) -> list[Detection]:
    return []
"""


@pytest.fixture
def broker_host(netns: None) -> Iterator[str]:
    """An address that is no loopback's, in a network in which this thread and all that it starts are."""
    with Namespace() as here:
        here.run("ip", "address", "add", ADDRESS, "dev", "lo")
        with here.entered():
            yield ADDRESS


@pytest.fixture
def edge(broker_host: str) -> None:
    """The only node."""
    NodeStore().add(Node(name="edge", host=broker_host))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.usefixtures("edge")
def test_devices_are_let_in_by_the_brokers_tokens_and_operators_see_to_the_rest(
    closed: ClosedBroker,  # noqa: F811 - the fixture
    cli: Cli,
    home: Path,
    write_service: WriteService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRAEA_OPERATOR_KEY", closed.key("deployer"))
    write_service(handler=FINDS_NOTHING)
    (home / "own.key").write_text(OWN_KEY)
    cli("deploy", "service", "--secret", "broker-key=node.key", "--secret", "api-key=own.key")
    [view] = instances()
    load = "/v2/repository/models/hello/load"
    enrol(closed.url, closed.make("enrolment-codes", name="camera")["code"])
    device_key = json.loads((home / "config" / "astraea" / "device-keys.json").read_text())[closed.url]
    with (
        httpx.Client(base_url=str(view.url), trust_env=False, timeout=20) as http,
        OffloadClient("hello", broker=closed.url) as camera,
        new_client() as operator,
    ):
        now = ProcessEngine(default_layout()).instances()
        sampler, meter = Sampler(operator, now), Meter(operator)
        meter.measure(now, time.monotonic())
        result = camera.infer(np.zeros((48, 64, 3), np.uint8))
        assert (result.instance, result.failure) == (view.id, None)
        assert sampler.sample().requests >= 1
        assert meter.measure(now, time.monotonic()) is not None
        assert json.loads(cli("status", "--json").stdout)[0]["requests_per_s"] is not None

        assert [http.post(load).status_code, http.post("/predict").status_code, http.get("/metrics").status_code] == [
            401,
            401,
            401,
        ]
        device = token_of(closed.url, device_key)
        assert http.post("/probe", headers=device).status_code == 204
        assert [http.post(load, headers=device).status_code, http.get("/metrics", headers=device).status_code] == [
            403,
            403,
        ]
        viewer, deployer = (
            bearer(cli("token", "hello", "--role", role).stdout.strip()) for role in ("viewer", "deployer")
        )
        assert http.get("/metrics", headers=viewer).status_code == 200
        assert http.post(load, headers=viewer).status_code == 403
        assert http.post(load, headers=deployer).json()["version"].endswith("-reload1")
        assert http.get("/metrics", headers=bearer(OWN_KEY)).status_code == 200

    monkeypatch.setenv("ASTRAEA_OPERATOR_KEY", closed.key("viewer"))
    assert "does not let this key do that" in cli("token", "hello", "--role", "deployer", status=1).stderr


@pytest.mark.usefixtures("edge")
def test_with_a_broker_that_asks_nobody_devices_bring_its_tokens_all_the_same(
    cli: Cli, home: Path, write_service: WriteService
) -> None:
    with cli.start("broker", "--port", "0", "--lease-s", "2", "--store", home / "broker.db") as process:
        assert process.stdout is not None
        broker = next(word for word in process.stdout.readline().split() if word.startswith("http://127.0.0.1"))
        cli("deploy", write_service(handler=GREET), "--broker", broker)
        [view] = instances()
        plain = {"content-type": "text/plain"}
        with httpx.Client(base_url=str(view.url), trust_env=False, timeout=20) as http:
            assert http.post("/predict", content="you", headers=plain).status_code == 401
            assert http.post("/predict", content="you", headers=plain | token_of(broker)).json() == {"hello": "you"}
        process.terminate()
        process.communicate(timeout=20)
