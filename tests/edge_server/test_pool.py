"""The pool bounds what is taken on, and counts a call until it has really ended."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from astraea.edge_server import BusyError
from astraea.edge_server.pool import WorkerPool
from tests.edge_server.conftest import settle


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(workers=1, queue=1)
    yield pool
    pool.close()


async def test_a_call_runs_in_another_thread(pool: WorkerPool) -> None:
    assert await pool.run(threading.get_ident) != threading.get_ident()
    assert pool.in_flight == 0


async def test_an_exception_reaches_the_caller(pool: WorkerPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), StopIteration()])
async def test_an_exception_that_would_end_the_loop_is_any_other(pool: WorkerPool, error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(RuntimeError, match="raise"):
        await pool.run(fail)
    assert await pool.run(lambda: 3) == 3


async def test_beyond_workers_and_queue_a_call_is_refused_at_once(pool: WorkerPool) -> None:
    go = threading.Event()
    taken = [asyncio.ensure_future(pool.run(go.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (pool.in_flight, pool.queued) == (2, 1)
    with pytest.raises(BusyError, match="2 requests"):
        await pool.run(go.wait)
    go.set()
    assert await asyncio.gather(*taken) == [True, True]
    assert await pool.run(lambda: 3) == 3


async def test_an_abandoned_call_keeps_its_place_until_it_ends(pool: WorkerPool) -> None:
    began, go = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go.wait()

    call = asyncio.ensure_future(pool.run(work))
    await settle(began.is_set)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert pool.in_flight == 1
    go.set()
    await settle(lambda: pool.in_flight == 0)


async def most_at_once(pool: WorkerPool, workers: int) -> int:
    """How many calls ran at once, when each waited for as many others."""
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(workers)

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(20)
        with lock:
            running -= 1

    await asyncio.gather(*(pool.run(work) for _ in range(workers * 5)))
    return most


async def test_a_pool_that_grows_and_shrinks_runs_so_many_at_once() -> None:
    pool = WorkerPool(workers=2, queue=100)
    for workers in (4, 1, 3, 2):
        pool.resize(workers)
        assert await most_at_once(pool, workers) == workers
    pool.close()
