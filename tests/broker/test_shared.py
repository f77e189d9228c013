"""Several brokers on one PostgreSQL."""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

import httpx
import pytest

from astraea.broker import PostgresStore
from astraea.broker.store import Key, Kind
from astraea.protocol import Instance

MakeInstance = Callable[..., Instance]
StartBroker = Callable[..., tuple[subprocess.Popen[str], httpx.Client]]


def _put(client: httpx.Client, instance: Instance) -> httpx.Response:
    return client.put(f"/v1/instances/{instance.id}", json=instance.model_dump(mode="json"))


def _within(seconds: float, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def pair(start_broker: StartBroker, database: str) -> list[tuple[subprocess.Popen[str], httpx.Client]]:
    """Two broker processes on one database."""
    return [start_broker("--store", database, "--lease-s", "3") for _ in range(2)]


def _ids(client: httpx.Client) -> set[str]:
    return {instance["id"] for instance in client.get("/v1/instances").json()}


def test_each_sees_what_the_other_was_told(
    pair: list[tuple[subprocess.Popen[str], httpx.Client]], make_instance: MakeInstance
) -> None:
    (_, one), (_, other) = pair
    _put(one, make_instance())
    _within(5, lambda: _ids(other) == {"plates-1"}, "the instance")
    _put(other, make_instance(load={"in_flight": 7, "capacity": 8}))
    _within(5, lambda: one.get("/v1/instances").json()[0]["load"]["in_flight"] == 7, "its heartbeat")
    one.put("/v1/services/plates/sharing", json={"weights": {"2": 1, "1": 3}})
    shared = {"2": 1.0, "1": 3.0}
    _within(5, lambda: other.get("/v1/services/plates/sharing").json()["weights"] == shared, "the weights")
    other.put("/v1/nodes/node-1/draining")
    _within(5, lambda: one.get("/v1/draining").json() == ["node-1"], "the draining node")
    other.delete("/v1/instances/plates-1")
    _within(5, lambda: _ids(one) == set(), "the end of the instance")
    keys = one.get("/.well-known/jwks.json").json()
    _within(
        5, lambda: other.get("/.well-known/jwks.json").json() == one.get("/.well-known/jwks.json").json(), str(keys)
    )


def test_heartbeats_at_one_keep_an_instance_alive_at_the_other(
    pair: list[tuple[subprocess.Popen[str], httpx.Client]], make_instance: MakeInstance
) -> None:
    (_, one), (_, other) = pair
    end = time.monotonic() + 5  # longer than a lease
    _put(one, make_instance())
    _within(5, lambda: _ids(other) == {"plates-1"}, "the instance")
    while time.monotonic() < end:
        _put(one, make_instance())
        assert _ids(other) == {"plates-1"}
        time.sleep(0.3)
    _within(10, lambda: _ids(one) | _ids(other) == set(), "its expiry")


def test_while_one_is_killed_clients_that_try_the_other_see_no_failure(
    pair: list[tuple[subprocess.Popen[str], httpx.Client]], make_instance: MakeInstance
) -> None:
    process = pair[0][0]
    urls = [client.base_url for _, client in pair]
    _put(pair[0][1], make_instance("kept"))
    _within(5, lambda: "kept" in _ids(pair[1][1]), "the instance")
    failures: list[str] = []
    done = [0]
    over = threading.Event()

    def client(number: int) -> None:
        with ExitStack() as stack:
            clients = [stack.enter_context(httpx.Client(base_url=url, timeout=5)) for url in urls]
            while not over.is_set():
                calls: list[Callable[[httpx.Client], httpx.Response]] = [
                    lambda to: _put(to, make_instance(f"i-{number}")),
                    lambda to: to.get("/v1/services/plates/candidates"),
                ]
                for call in calls:
                    answers = []
                    for to in random.sample(clients, 2):
                        with suppress(httpx.TransportError):
                            answers.append(call(to).status_code)
                            break
                    done[0] += 1
                    if answers != [200]:
                        failures.append(str(answers))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    _within(20, lambda: done[0] > 100, "load")
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    reached = done[0]
    _within(20, lambda: done[0] > reached + 100, "load on the other")
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {"kept", *(f"i-{number}" for number in range(4))} - {"kept"} <= _ids(pair[1][1])


def test_a_database_that_went_away_and_came_back_is_used_again(
    start_broker: StartBroker, database: str, make_instance: MakeInstance
) -> None:
    _, client = start_broker("--store", database)
    _put(client, make_instance())
    with closing(PostgresStore(database)) as admin, admin._transaction() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    _within(10, lambda: _put(client, make_instance("plates-2")).status_code == 200, "a registration")
    with closing(PostgresStore(database)) as store:
        assert {Key(Kind.INSTANCE, "plates-1"), Key(Kind.INSTANCE, "plates-2")} <= set(store.load())
    _within(10, lambda: client.get("/readyz").status_code == 200, "readiness")
