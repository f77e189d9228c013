"""`astraea serve` as a process: what it answers over real sockets, how it starts, fails and ends."""

import json
import signal
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from astraea.protocol import Instance, Problem, ServerTiming
from tests.edge_server.conftest import FakeBroker, StartServer, WriteService, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GATED_HANDLER = """
    import time
    from pathlib import Path
    GATE = Path(__file__).with_name("gate")
    def predict(model, text: str):
        while not GATE.exists():
            time.sleep(0.005)
        return text
"""
"""Answers once the test has made a file."""


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_jpeg_is_answered_over_http(start_server: StartServer, write_service: WriteService, jpeg: bytes) -> None:
    server = start_server(write_service(), "--revision", "7.0", "--instance", "it")
    with server.client() as client:
        for _ in range(2):
            response = client.post("/predict", content=jpeg, headers={"content-type": "image/jpeg"})
            assert response.json()["width"] == 64
            assert ServerTiming.from_header(response.headers["server-timing"]).total_ms > 0
        assert (response.headers["astraea-instance"], response.headers["astraea-revision"]) == ("it", "7.0")
    assert server.stop() == 0
    assert server.log.count("\n") == 1


def test_bad_bodies_leave_the_connection_and_the_server_well(
    start_server: StartServer, write_service: WriteService, jpeg: bytes
) -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    with start_server(write_service()).client() as client:
        for content, status in ((jpeg[:-9], 400), (bomb, 413), (bytes(17 << 20), 413), (b"{}", 415)):
            response = client.post("/predict", content=content)
            assert Problem.model_validate_json(response.content).status == response.status_code == status
            assert client.post("/predict", content=jpeg).status_code == 200


def test_it_is_alive_while_it_loads_and_ready_after(
    start_server: StartServer, write_service: WriteService, free_port: int
) -> None:
    folder = write_service(GATED_HANDLER + "    def load(model): predict(model, '')")
    start_server(folder, "--port", free_port)
    with httpx.Client(base_url=f"http://127.0.0.1:{free_port}") as client:
        wait_until(lambda: status(client, "/livez") == 200)
        assert status(client, "/readyz") == 503
        (folder / "gate").touch()
        wait_until(lambda: status(client, "/readyz") == 200)


def status(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


def test_more_than_it_can_do_is_refused_at_once(start_server: StartServer, write_service: WriteService) -> None:
    folder = write_service(GATED_HANDLER)
    with start_server(folder, "--workers", 1, "--queue", 1).client() as client, ThreadPoolExecutor(9) as threads:
        calls = [threads.submit(client.post, "/predict", content=b"x") for _ in range(9)]
        wait_until(lambda: sum(call.done() for call in calls) == 7)
        (folder / "gate").touch()
        statuses = [call.result().status_code for call in calls]
    assert sorted(statuses) == [200] * 2 + [429] * 7


def test_a_client_that_left_keeps_its_place_until_its_work_ends(
    start_server: StartServer, write_service: WriteService
) -> None:
    folder = write_service(GATED_HANDLER)
    with start_server(folder, "--workers", 1, "--queue", 0).client() as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/predict", content=b"x", timeout=0.2)
        assert client.post("/predict", content=b"x").status_code == 429
        (folder / "gate").touch()
        wait_until(lambda: client.post("/predict", content=b"x").status_code == 200)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_answers_what_it_has_begun(
    start_server: StartServer, write_service: WriteService, number: signal.Signals
) -> None:
    folder = write_service(GATED_HANDLER)
    server = start_server(folder)
    with server.client() as client, ThreadPoolExecutor() as threads:
        call = threads.submit(client.post, "/predict", content=b"x")
        wait_until(lambda: "astraea_in_flight 1.0" in client.get("/metrics").text)
        server.process.send_signal(number)
        wait_until(lambda: status(client, "/readyz") in (503, 0))
        (folder / "gate").touch()
        assert call.result().json() == {"output": "x"}
    assert server.process.wait(timeout=20) == 0


def test_asked_to_end_while_it_loads_it_does(
    start_server: StartServer, write_service: WriteService, free_port: int
) -> None:
    server = start_server(write_service(GATED_HANDLER + "    predict(None, '')"), "--port", free_port)
    with httpx.Client(base_url=f"http://127.0.0.1:{free_port}") as client:
        wait_until(lambda: status(client, "/livez") == 200)
    assert server.stop() == 0


def test_it_keeps_a_lease_and_withdraws_it_at_the_end(
    start_server: StartServer, write_service: WriteService, broker: FakeBroker
) -> None:
    options = ("--node", "edge-a", "--region", "hangzhou", "--lat", 30.25, "--lon", 120.17)
    server = start_server(write_service(), "--broker", broker.url, *options)
    wait_until(lambda: broker.count("PUT") >= 3)
    instance = Instance.model_validate(broker.requests[0][2])
    with server.client() as client:
        assert str(instance.url) == f"{client.base_url}/"
    assert (instance.service, instance.node, instance.region) == ("sizes", "edge-a", "hangzhou")
    assert instance.location is not None
    assert instance.load.capacity >= 1
    assert server.stop() == 0
    assert broker.requests[-1][:2] == ("DELETE", f"/v1/instances/{instance.id}")


def test_without_its_broker_it_serves(
    start_server: StartServer, write_service: WriteService, free_port: int, jpeg: bytes
) -> None:
    server = start_server(write_service(), "--broker", f"http://127.0.0.1:{free_port}")
    with server.client() as client:
        assert client.post("/predict", content=jpeg).status_code == 200
        wait_until(lambda: "no lease: the broker" in server.log)
    assert server.stop() == 0


def _refusal(start_server: StartServer, *arguments: object) -> str:
    """What a server that can't start says; the first line is the reason."""
    server = start_server(*arguments)
    assert server.process.wait(timeout=20) == 1
    assert "Traceback" not in server.log
    reason = [line for line in server.log.splitlines() if line.startswith("astraea:")]
    assert len(reason) == 1, server.log
    return reason[0]


def test_a_port_in_use_is_told_with_its_number(start_server: StartServer, write_service: WriteService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in _refusal(start_server, write_service(), "--port", port)


def test_told_so_it_listens_to_the_network(start_server: StartServer, write_service: WriteService) -> None:
    with start_server(write_service(), "--host", "0.0.0.0", "--insecure").client() as client:
        assert client.get("/livez").status_code == 200


def test_a_misspelt_key_of_the_template_is_told(start_server: StartServer, write_service: WriteService) -> None:
    assert "there is no key `modle`" in _refusal(start_server, write_service(modle="x"))


def test_a_handler_that_fails_to_load_is_told_with_its_line(
    start_server: StartServer, write_service: WriteService
) -> None:
    folder = write_service("def predict(model, x: str): ...\ndef load(model):\n    raise ValueError('no GPU')")
    assert "handler.py:3: load failed: ValueError: no GPU" in _refusal(start_server, folder)


def test_the_debug_log_has_the_traceback(start_server: StartServer, write_service: WriteService) -> None:
    server = start_server(write_service("1 / 0"), "--log-level", "debug")
    assert server.process.wait(timeout=20) == 1
    assert "Traceback" in server.log


def test_the_log_can_be_json(start_server: StartServer, write_service: WriteService) -> None:
    server = start_server(write_service("def predict(m, x: str): 1 / 0"), "--log-format", "json")
    with server.client() as client:
        response = client.post("/predict", content=b"x", headers={"traceparent": TRACE})
    assert response.headers["traceparent"] == TRACE
    assert server.stop() == 0
    entries = [json.loads(line) for line in server.log.splitlines()]
    assert [entry["level"] for entry in entries] == ["info", "error"]
    assert "ZeroDivisionError" in entries[1]["traceback"]
    assert entries[1]["trace_id"] == TRACE.split("-")[1]
    assert entries[1]["request_id"] == response.json()["instance"]
