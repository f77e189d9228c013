"""Sessions answer frames as requests are answered, whatever carries them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from time import perf_counter

import pytest

from astraea.edge_server.api import Api
from astraea.edge_server.app import predict_endpoint
from astraea.edge_server.errors import BusyError, UnavailableError
from astraea.edge_server.streams.session import Outcome, Sessions
from tests.edge_server.conftest import MakeService, settle

GATE = threading.Event()
GATED = """
    from tests.edge_server.test_sessions import GATE
    def predict(model, text: str):
        GATE.wait()
        return 1 / len(text)
"""


@pytest.fixture
async def sessions(api: Api, make_service: MakeService) -> AsyncIterator[Sessions]:
    api.service = make_service(GATED)
    api.limits = replace(api.limits, streams=2)
    GATE.set()
    yield Sessions(predict_endpoint(api))
    GATE.set()
    await settle(lambda: api.pool.in_flight == 0)
    assert api.held_bytes == 0


async def test_a_frame_is_answered_and_counted_as_a_request_is(sessions: Sessions) -> None:
    outcomes: list[Outcome] = []
    session = sessions.open("test", outcomes.append)
    sessions.api.hold(4)
    session.submit(7, b"1234", held_bytes=4, trace=b"t")
    await settle(lambda: len(outcomes) == 1)
    assert outcomes[0][:3] == (7, 200, b'{"output":0.25}')
    assert outcomes[0].trace == b"t"
    assert outcomes[0].stages is not None
    sessions.api.metrics.settle()
    assert sessions.api.metrics.registry.get_sample_value("astraea_requests_total", {"status": "200"}) == 1


async def test_what_fails_is_delivered_with_its_reason(sessions: Sessions) -> None:
    outcomes: list[Outcome] = []
    session = sessions.open("test", outcomes.append)
    session.submit(1, b"")
    await settle(lambda: len(outcomes) == 1)
    session.submit(2, b"\xff")
    await settle(lambda: len(outcomes) == 2)
    assert [outcome[:2] for outcome in outcomes] == [(1, 500), (2, 400)]
    assert b"not UTF-8" in outcomes[1].body


async def test_frames_of_all_sessions_share_one_bound(sessions: Sessions) -> None:
    outcomes: list[Outcome] = []
    first, second = (sessions.open("test", outcomes.append) for _ in range(2))
    GATE.clear()
    first.submit(1, b"1")
    first.submit(2, b"1")
    second.submit(3, b"1")  # one works, one waits
    assert [outcome[:2] for outcome in outcomes] == [(3, 429)]
    assert first.in_flight == {1, 2}
    GATE.set()
    await settle(lambda: len(outcomes) == 3)


async def test_a_frame_that_can_not_be_in_time_is_not_worked_on(sessions: Sessions) -> None:
    outcomes: list[Outcome] = []
    session = sessions.open("test", outcomes.append)
    GATE.clear()
    session.submit(1, b"1")
    session.submit(2, b"1", deadline_s=perf_counter() - 1)
    assert [outcome[:2] for outcome in outcomes] == [(2, 503)]


async def test_a_session_that_closes_gives_its_places_back(sessions: Sessions) -> None:
    outcomes: list[Outcome] = []
    session = sessions.open("test", outcomes.append)
    follower = session.follow()
    GATE.clear()
    for frame_id in (1, 2):
        sessions.api.hold(1)
        session.submit(frame_id, b"1", held_bytes=1)
    sessions.close(session)
    sessions.close(session)
    GATE.set()
    await settle(lambda: sessions.api.pool.in_flight == 0)
    assert outcomes == []
    assert [outcome async for outcome in follower] == []
    assert len(sessions) == 0
    assert sessions.find(session.id) is None


async def test_sessions_are_bounded_and_none_begins_on_an_instance_that_ends(sessions: Sessions) -> None:
    opened = [sessions.open("test", lambda _: None) for _ in range(2)]
    with pytest.raises(BusyError, match="2 streams are open"):
        sessions.open("test", lambda _: None)
    gauge = {"transport": "test"}
    assert sessions.api.metrics.registry.get_sample_value("astraea_streams", gauge) == 2
    for session in opened:
        sessions.close(session)
    assert sessions.api.metrics.registry.get_sample_value("astraea_streams", gauge) == 0
    sessions.api.draining = True
    with pytest.raises(UnavailableError, match="about to end"):
        sessions.open("test", lambda _: None)


async def test_followers_see_what_becomes_of_frames_and_the_slow_miss_the_oldest(sessions: Sessions) -> None:
    outcomes: list[Outcome] = []
    session = sessions.open("test", outcomes.append)
    quick, slow = session.follow(), session.follow()
    seen: list[Outcome] = []

    async def watch() -> None:
        seen.extend([outcome async for outcome in quick])

    watching = asyncio.create_task(watch())
    for number in range(40):
        session.refuse(number, BusyError("no"))
        await asyncio.sleep(0)
    session.unfollow(quick)
    session.refuse(40, BusyError("no"))
    sessions.close(session)
    quick.end()
    await watching
    assert seen == outcomes[:40]
    assert [outcome.frame_id async for outcome in slow] == list(range(9, 41))
