"""`astraea broker` as a process: how it starts, stops, is killed and starts again."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from astraea.broker import SqliteStore
from astraea.protocol import Instance

MakeInstance = Callable[..., Instance]
RunBroker = Callable[..., subprocess.Popen[str]]
StartBroker = Callable[..., tuple[subprocess.Popen[str], httpx.Client]]


def _put(client: httpx.Client, instance: Instance) -> httpx.Response:
    return client.put(f"/v1/instances/{instance.id}", json=instance.model_dump(mode="json"))


def _listed(client: httpx.Client) -> list[str]:
    return [instance["id"] for instance in client.get("/v1/instances").json()]


def _failure(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in err
    reason, hint = err.splitlines()
    assert reason.startswith("astraea: ")
    assert hint.startswith("→ ")
    return reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_ends_well_and_starts_again_with_what_it_knew(
    start_broker: StartBroker, make_instance: MakeInstance, tmp_path: Path, number: signal.Signals
) -> None:
    process, client = start_broker()
    _put(client, make_instance())
    process.send_signal(number)
    assert process.wait(10) == 0
    assert [file.name for file in (tmp_path / "astraea").iterdir()] == ["broker.db"]

    _, client = start_broker()
    assert _listed(client) == ["plates-1"]


def test_an_instance_that_falls_silent_is_dropped_for_good(
    start_broker: StartBroker, make_instance: MakeInstance, tmp_path: Path
) -> None:
    process, client = start_broker("--lease-s", "0.5", "--store", str(tmp_path / "mine.db"))
    assert _put(client, make_instance()).json()["ttl_s"] == 0.5
    deadline = time.monotonic() + 10
    while "astraea_broker_leases_expired_total 1.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert _listed(client) == []
    process.terminate()
    assert process.wait(10) == 0
    with closing(SqliteStore(tmp_path / "mine.db")) as store:
        assert "plates-1" not in {key.id for key in store.load()}


def test_killed_in_the_middle_of_writes_it_has_kept_all_it_acknowledged(
    start_broker: StartBroker, make_instance: MakeInstance
) -> None:
    process, client = start_broker()
    acknowledged: list[str] = []

    def register(number: int) -> None:
        try:
            answer = _put(client, make_instance(f"i-{number}"))
        except httpx.TransportError:
            return
        assert answer.status_code == 200
        acknowledged.append(answer.json()["instance_id"])
        if len(acknowledged) == 40:
            process.kill()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(400)))
    assert process.wait(10) == -signal.SIGKILL
    assert 40 <= len(acknowledged) < 400

    _, client = start_broker()
    assert set(acknowledged) <= set(_listed(client))
    assert client.get("/readyz").status_code == 200


def test_a_port_in_use_is_named(run_broker: RunBroker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        reason = _failure(run_broker("--port", str(port)))
    assert reason == f"astraea: port {port} is in use"


def test_open_to_the_network_it_asks_for_keys(start_broker: StartBroker) -> None:
    _, client = start_broker("--host", "0.0.0.0")
    assert client.get("/v1/instances").status_code == 401


def test_told_so_it_asks_for_none(start_broker: StartBroker) -> None:
    _, client = start_broker("--host", "0.0.0.0", "--insecure")
    assert client.get("/v1/instances").status_code == 200


def test_a_store_that_is_someone_elses_file_is_named(run_broker: RunBroker, tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("milk, bread\n")
    assert str(foreign) in _failure(run_broker("--port", "0", "--store", str(foreign)))
    assert foreign.read_text() == "milk, bread\n"
