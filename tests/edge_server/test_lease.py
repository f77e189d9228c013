"""The lease: registered, renewed while the broker is there or not, given back."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.lease import leased, retry_delay_s
from astraea.protocol import Instance
from tests.edge_server.conftest import FakeBroker, listening, settle

INSTANCE = Instance.model_validate(
    {"id": "here-1", "service": "sizes", "revision": "1.2.3", "url": "http://127.0.0.1:1", "node": "here"}
)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_retries_wait_longer_and_longer_within_bounds(failures: int, chance: float) -> None:
    assert 0.25 <= retry_delay_s(failures, chance) <= 8
    assert retry_delay_s(failures, chance) <= retry_delay_s(failures + 1, chance)


async def test_an_instance_registers_renews_and_withdraws(broker: FakeBroker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "astraea")
    async with leased(broker.url, lambda: INSTANCE):
        await settle(lambda: len(broker.requests) >= 3)
    assert [request[:2] for request in broker.requests[:3]] == [("PUT", "/v1/instances/here-1")] * 3
    assert Instance.model_validate(broker.requests[0][2]) == INSTANCE
    assert broker.requests[-1][:2] == ("DELETE", "/v1/instances/here-1")
    assert [record.message.split()[0] for record in caplog.records if "astraea" in record.name] == ["registered"]


async def test_a_broker_that_is_away_is_tried_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "astraea")
    broker = FakeBroker(ttl_s=30)
    with listening(broker):
        port = int(broker.url.rpartition(":")[2])
    async with leased(broker.url, lambda: INSTANCE):
        await settle(lambda: "no lease" in caplog.text)
        with listening(broker, port):
            await settle(lambda: len(broker.requests) >= 1)
            await settle(lambda: "registered" in caplog.text)
    messages = [record.message for record in caplog.records if "astraea" in record.name]
    assert [message.split()[0] for message in messages] == ["no", "registered"]


@pytest.mark.parametrize("status", [503, 422, 302])
async def test_a_refusal_is_logged_once_with_its_reason(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    broker.status = status
    async with leased(broker.url, lambda: INSTANCE):
        await settle(lambda: len(broker.requests) >= 2)
    assert caplog.text.count("the store is full") == 1


async def test_an_answer_that_is_no_lease_is_told(broker: FakeBroker, caplog: pytest.LogCaptureFixture) -> None:
    broker.ttl_s = -1
    async with leased(broker.url, lambda: INSTANCE):
        await settle(lambda: len(broker.requests) >= 2)
    assert "no lease" in caplog.text


async def test_a_broker_that_is_away_at_the_end_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "astraea")
    broker = FakeBroker()
    with listening(broker):
        pass
    async with leased(broker.url, lambda: INSTANCE):
        await settle(lambda: "no lease" in caplog.text)
    assert "was not told of the end" in caplog.text


async def test_news_is_told_at_once_and_absence_withdraws(broker: FakeBroker) -> None:
    broker.ttl_s = 300.0
    changed = asyncio.Event()
    now: list[Instance | None] = [INSTANCE]
    async with leased(broker.url, lambda: now[0], changed):
        await settle(lambda: broker.count("PUT") == 1)
        now[0] = None
        changed.set()
        await settle(lambda: broker.count("DELETE") == 1)
        now[0] = INSTANCE.model_copy(update={"revision": "2.0.0"})
        changed.set()
        await settle(lambda: broker.count("PUT") == 2)
    assert broker.requests[-2][2]["revision"] == "2.0.0"
    assert [method for method, *_ in broker.requests] == ["PUT", "DELETE", "PUT", "DELETE"]
