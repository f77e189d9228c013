"""Inputs are computed together when that pays, and none of them waits or fails for another's sake."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.batcher import Batcher
from astraea.edge_server.batching import BatchPolicy
from tests.edge_server.conftest import MakeService, wait_until

seconds = st.floats(1e-4, 1.0)


def policy() -> BatchPolicy:
    return BatchPolicy(limit=32, max_wait_s=0.005)


@given(seconds, seconds)
def test_the_cost_of_a_batch_is_learnt(fixed_s: float, each_s: float) -> None:
    learning = policy()
    for size in (1, 4, 2, 9, 1, 16) * 5:
        learning.took(size, fixed_s + size * each_s)
    assert learning.cost_s() == pytest.approx((fixed_s, each_s), rel=0.01, abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 32), seconds), max_size=40), st.lists(st.floats(0, 1), max_size=40))
def test_sizes_and_waits_stay_within_their_bounds(batches: list[tuple[int, float]], gaps: list[float]) -> None:
    learning, now = policy(), 0.0
    for size, took_s in batches:
        learning.took(size, took_s)
    for gap_s in gaps:
        now += gap_s
        learning.arrived(now)
    assert 1 <= learning.size() <= 32
    assert all(0 <= learning.wait_s(waiting) <= 0.005 for waiting in range(1, 40))
    assert learning.wait_s(32) == 0
    assert min(learning.cost_s()) >= 0


@given(seconds, st.floats(0, 0.5))
def test_a_lone_client_never_waits(cost_s: float, thinks_s: float) -> None:
    learning, now = policy(), 0.0
    for _ in range(50):
        learning.arrived(now)
        assert learning.wait_s(1) == 0
        learning.took(1, cost_s)
        now += cost_s + thinks_s


def test_a_flood_is_worth_a_wait_only_if_batches_save_work() -> None:
    for fixed_s, waits in ((0.010, True), (0.0, False)):
        learning = policy()
        for number in range(100):
            learning.arrived(number * 0.0002)
            learning.took(1 + number % 8, fixed_s + 0.001 * (1 + number % 8))
        assert (learning.wait_s(1) > 0) == waits
        assert learning.size() == (32 if waits else 1)


def double(values: list[int]) -> list[int]:
    return [2 * value for value in values]


def test_a_single_input_is_computed_at_once() -> None:
    assert Batcher(double, policy()).run(4) == 8


def test_what_comes_meanwhile_is_computed_together() -> None:
    sizes: list[int] = []
    go, began = threading.Event(), threading.Event()

    def call(values: list[int]) -> list[int]:
        began.set()
        assert go.wait(20)
        return double(values)

    batcher = Batcher(call, policy(), sizes.append)
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(batcher.run, 0)
        assert began.wait(20)
        others = [threads.submit(batcher.run, value) for value in range(1, 20)]
        wait_until(lambda: len(batcher._waiting) == 19)
        go.set()
        assert [call_.result(20) for call_ in (first, *others)] == double(list(range(20)))
    assert sizes == [1, 19]


@pytest.mark.parametrize("fault", [ZeroDivisionError, SystemExit])
def test_an_input_that_fails_fails_alone(fault: type[BaseException]) -> None:
    def call(values: list[int]) -> list[int]:
        if 3 in values:
            raise fault
        return double(values)

    batcher = Batcher(call, policy())

    def attempt(value: int) -> Any:
        try:
            return batcher.run(value)
        except fault:
            return "failed"

    with ThreadPoolExecutor(8) as threads:
        for _ in range(50):
            assert list(threads.map(attempt, range(8))) == [0, 2, 4, "failed", 8, 10, 12, 14]


def test_a_storm_of_threads_gets_every_answer() -> None:
    batcher = Batcher(double, policy())
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(batcher.run, range(2000))) == double(list(range(2000)))


def test_a_service_with_predict_batch_computes_so(make_service: MakeService) -> None:
    service = make_service("def predict_batch(model, inputs: list[str]) -> list[str]: return [x + '!' for x in inputs]")
    assert service.batcher is not None
    sizes: list[int] = []
    service.batcher.on_batch = sizes.append
    assert service.answer(b"hey").body == b'{"output":"hey!"}'
    assert sizes == [1]
