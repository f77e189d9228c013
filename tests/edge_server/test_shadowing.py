"""Copies of answered requests: sent to another revision when the broker says so, and never at a request's cost."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from astraea.edge_server.api import Api
from astraea.edge_server.app import predict_endpoint
from astraea.edge_server.shadowing import copies
from astraea.edge_server.shadowing.copies import Outcome, Shadowing, judged
from astraea.edge_server.shadowing.line import Response
from astraea.edge_server.streams.session import Sessions
from astraea.protocol import Lease, Shadow
from tests.edge_server.conftest import FakeBroker, MakeService, StartServer, WriteService, settle, wait_until
from tests.edge_server.test_sessions import GATE, GATED

LENGTH = "def predict(model, body: bytes): return len(body)"
DOUBLE = "def predict(model, body: bytes): return 2 * len(body)"
REQUESTS = 30
TOKEN = "only-who-has-this-may-ask"


def shadowed(metrics: str, outcome: Outcome, revision: str = "2.0.0") -> float:
    """How many copies had this outcome."""
    found = [
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "astraea_shadowed_total" and sample.labels == {"revision": revision, "outcome": outcome}
    ]
    return sum(found)


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def lease(url: str) -> Lease:
    return Lease(
        instance_id="here-1", ttl_s=10, shadow=Shadow.model_validate({"revision": "2.0.0", "url": url, "share": 1})
    )


def test_a_server_copies_what_it_answers_and_counts_how_the_answers_differ(
    start_server: StartServer, write_service: WriteService, broker: FakeBroker, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(TOKEN)
    canary = start_server(write_service(DOUBLE, "sizes2", version="2.0.0"), "--api-key-file", key)
    with canary.client() as other:
        other.headers["authorization"] = f"Bearer {TOKEN}"
        broker.shadow = {"revision": "2.0.0", "url": str(other.base_url), "share": 1.0, "token": TOKEN}
        stable = start_server(write_service(LENGTH), "--broker", broker.url)
        with stable.client() as client:
            wait_until(lambda: "copying 100 % of requests to revision 2.0.0" in stable.log)
            for size in range(REQUESTS):
                reply = client.post("/predict", content=b"x" * size, headers={"content-type": "image/x"})
                assert reply.json() == {"output": size}
                wait_until(lambda: shadowed(client.get("/metrics").text, "compared") > size)  # noqa: B023 - called now
            metrics = client.get("/metrics").text
            # That of nothing is the same.
            assert f'astraea_shadow_disagreement_sum{{revision="2.0.0"}} {REQUESTS - 1}.0' in metrics
            assert f'astraea_requests_total{{status="200"}} {REQUESTS}.0' in other.get("/metrics").text

            broker.shadow = None
            told = broker.count("PUT")
            wait_until(lambda: broker.count("PUT") > told + 2)  # the second was answered without
            client.post("/predict", content=b"x")
            assert shadowed(client.get("/metrics").text, "compared") == REQUESTS
            assert f'astraea_requests_total{{status="200"}} {REQUESTS}.0' in other.get("/metrics").text


def test_a_canary_that_hangs_costs_requests_nothing_and_holds_few_copies(
    start_server: StartServer, write_service: WriteService, broker: FakeBroker
) -> None:
    with hanging() as url:
        broker.shadow = {"revision": "2.0.0", "url": url, "share": 1.0}
        stable = start_server(write_service(LENGTH), "--broker", broker.url)
        with stable.client() as client:
            wait_until(lambda: "copying" in stable.log)
            replies = [client.post("/predict", content=b"x" * 1000) for _ in range(REQUESTS)]
            assert [reply.status_code for reply in replies] == [200] * REQUESTS
            metrics = client.get("/metrics").text
        gone = shadowed(metrics, "dropped") + shadowed(metrics, "failed")
        assert REQUESTS - gone <= copies._MOST_WAITING + 1
        assert stable.stop() == 0, "it doesn't wait for the canary"


@pytest.fixture
def counted(api: Api) -> Callable[[Outcome], float]:
    def count(outcome: Outcome) -> float:
        labels = {"revision": "2.0.0", "outcome": outcome}
        return api.metrics.registry.get_sample_value("astraea_shadowed_total", labels) or 0.0

    return count


async def test_what_became_of_a_copy_is_told_apart(
    api: Api,
    client: httpx.AsyncClient,
    make_service: MakeService,
    monkeypatch: pytest.MonkeyPatch,
    counted: Callable[[Outcome], float],
) -> None:
    monkeypatch.setattr("astraea.edge_server.shadowing.line._TIMEOUT_S", 0.2)
    api.service = make_service(LENGTH)
    shadowing = Shadowing(api)
    with hanging() as url:
        shadowing.heard(lease(url))
        await client.post("/predict", content=b"x")
        await settle(lambda: counted("failed") == 1)
    shadowing.heard(lease(url))
    await client.post("/predict", content=b"x")
    await settle(lambda: counted("unreachable") == 1)
    await client.post("/predict", content=b"", headers={"astraea-deadline-ms": "?"})  # has no answer to compare with
    shadowing.close()
    await client.post("/predict", content=b"x")
    assert sum(counted(outcome) for outcome in get_args(Outcome)) == 2


async def test_what_is_too_large_to_keep_or_to_compare_is_not_copied(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, counted: Callable[[Outcome], float]
) -> None:
    api.service = make_service("def predict(model, body: bytes): return 'x' * 70_000")
    shadowing = Shadowing(api)
    shadowing.heard(lease("http://127.0.0.1:1"))
    await client.post("/predict", content=b"x")
    assert counted("dropped") == 1
    shadowing.close()


async def test_frames_of_streams_are_copied_and_forms_are_not(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service(LENGTH)
    offered: list[tuple[bytes, bytes]] = []
    api.on_answered = lambda body, answer: offered.append((body, answer))
    session = Sessions(predict_endpoint(api)).open("test", lambda _outcome: None)
    session.submit(1, b"1234")
    await settle(lambda: len(offered) == 1)
    await client.post("/predict", files={"field": b"12345"})
    await client.post("/predict", content=b"123")
    assert offered == [(b"1234", b'{"output":4}'), (b"123", b'{"output":3}')]


async def test_a_copy_is_refused_while_all_workers_are_busy(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service(GATED)
    GATE.clear()
    working = asyncio.create_task(client.post("/predict", content=b"1"))
    try:
        await settle(lambda: api.pool.in_flight == 1)
        copy = await client.post("/predict", content=b"1", headers={"astraea-shadow": "1"})
        assert copy.status_code == 429
        assert "copies" in copy.json()["detail"]
        waiting = asyncio.create_task(client.post("/predict", content=b"1"))
        await settle(lambda: api.pool.in_flight == 2)
    finally:
        GATE.set()
    assert [(await task).status_code for task in (working, waiting)] == [200, 200]
    assert (await client.post("/predict", content=b"1", headers={"astraea-shadow": "1"})).status_code == 200


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"output": 1}', ("compared", 0.0)),
        (200, b'{"output": 2}', ("compared", 1.0)),
        (415, b"", ("compared", 1.0)),
        (429, b"", ("refused", None)),
        (503, b"", ("refused", None)),
        (500, b"", ("failed", None)),
        (401, b"", ("unreachable", None)),
        (404, b"", ("unreachable", None)),
    ],
)
def test_a_reply_says_something_of_the_revision_or_of_the_way_to_it(
    status: int, body: bytes, expected: tuple[Outcome, float | None]
) -> None:
    assert judged(b'{"output":1}', Response(status, body)) == expected
