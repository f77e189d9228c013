"""A request that can't be answered in time costs no work."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server import BadInputError
from astraea.edge_server.deadline import deadline_of
from astraea.edge_server.errors import AbandonedError, LateError
from astraea.edge_server.pace import Pace
from astraea.edge_server.pool import Job, WorkerPool
from tests.edge_server.conftest import settle


def test_the_header_is_milliseconds_from_now_of_which_the_way_takes_some() -> None:
    assert deadline_of({b"astraea-deadline-ms": b"250"}, 10.0) == pytest.approx(10.225)
    assert deadline_of({}, 10.0) == math.inf


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"soon", b"9" * 10, b"\xff"])
def test_anything_else_is_refused(value: bytes) -> None:
    with pytest.raises(BadInputError, match="milliseconds"):
        deadline_of({b"astraea-deadline-ms": value}, 0.0)


@given(st.floats(0.001, 1), st.integers(1, 8), st.integers(0, 50))
def test_the_pace_of_steady_work_is_learnt(service_s: float, workers: int, waiting: int) -> None:
    """So many workers, always busy, each a fraction of a call behind the other."""
    pace = Pace()
    for number in range(200):
        ended = 100 + (number // workers + (number % workers) / workers) * service_s
        pace.observe(ended - service_s, ended)
    assert pace.service_s == pytest.approx(service_s)
    assert pace.expect_s(waiting) == pytest.approx(service_s + waiting * service_s / workers, rel=0.05)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=30))
def test_the_pace_stays_within_what_was_seen(calls: list[tuple[float, float]]) -> None:
    pace, now = Pace(), 0.0
    for idle_s, took_s in calls:
        now += idle_s + took_s
        pace.observe(now - took_s, now)
    longest = max((took_s for _, took_s in calls), default=0.0)
    most = longest * 1.001 + 1e-9  # a clock's seconds have no digits for less
    assert 0 <= pace.interval_s <= most
    assert 0 <= pace.service_s <= most


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=30))
def test_the_margin_is_of_the_size_of_the_errors(judged: list[tuple[float, float]]) -> None:
    pace = Pace()
    for expected_s, actual_s in judged:
        pace.judge(expected_s, actual_s)
    errors = [abs(expected_s - actual_s) for expected_s, actual_s in judged]
    assert 4 * min(errors) * 0.999 <= pace.margin_s <= 4 * max(errors) * 1.001


@given(st.floats(1e-3, 1), st.floats(0, 0.9))
def test_what_a_call_needs_is_more_the_more_calls_differ(service_s: float, spread: float) -> None:
    pace, ended_s = Pace(), 0.0
    for number in range(400):
        took_s = service_s * (1 + spread * (-1) ** number)
        pace.observe(ended_s, ended_s + took_s)
        ended_s += took_s
    assert pace.needed_s == pytest.approx(service_s * (1 + 4 * spread), rel=0.1)


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(workers=1, queue=9)
    yield pool
    pool.close()


async def test_what_would_be_late_is_refused_and_costs_nothing(pool: WorkerPool) -> None:
    pool.pace.observe(0, 0.2)
    go = threading.Event()
    first = asyncio.ensure_future(pool.run(go.wait))
    await asyncio.sleep(0)
    with pytest.raises(LateError, match="400 ms") as raised:
        await pool.run(go.wait, perf_counter() + 0.3)
    assert raised.value.retry_after_s == 1
    assert pool.in_flight == 1
    go.set()
    await first


async def test_an_idle_pool_tries_whatever_it_has_learnt(pool: WorkerPool) -> None:
    pool.pace.observe(0, 60)
    assert await pool.run(lambda: 3, perf_counter() + 20) == 3


async def test_what_has_become_late_is_dropped_unbegun(pool: WorkerPool) -> None:
    go = threading.Event()
    first = asyncio.ensure_future(pool.run(go.wait))
    late = asyncio.ensure_future(pool.run(lambda: pytest.fail("was begun"), perf_counter() + 0.02))
    await asyncio.sleep(0.03)
    go.set()
    with pytest.raises(LateError, match="waited"):
        await late
    assert await first
    assert pool.in_flight == 0


async def test_what_nobody_waits_for_is_dropped_unbegun(pool: WorkerPool) -> None:
    go = threading.Event()
    first = asyncio.ensure_future(pool.run(go.wait))
    await asyncio.sleep(0)
    errors: list[Exception | None] = []
    job = Job(lambda: pytest.fail("was begun"), lambda _, error: errors.append(error), math.inf)
    pool.submit(job)
    job.abandoned = True
    go.set()
    assert await first
    await settle(lambda: bool(errors))
    assert isinstance(errors[0], AbandonedError)
    assert pool.in_flight == 0
